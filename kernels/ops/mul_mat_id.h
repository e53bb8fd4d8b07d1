// A mixture of experts: each token is multiplied with the matrices of a few experts, chosen by `ids`.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "isa/isa.h"
#include "ops/team.h"

namespace weft::kernels {

// x[token][slot or 0] times the matrix of expert ids[token][slot] gives dst[token][slot]. Strides in bytes.
struct MulMatId {
    const Format* format;
    const uint8_t* strips;  // of one expert after the other; rows is a multiple of 16
    int64_t k, rows, experts;
    int64_t slots, tokens;
    const char *x, *ids;
    char* dst;
    int64_t x_slot, x_token, ids_slot, ids_token, dst_slot, dst_token;

    [[nodiscard]] int64_t packed_k() const { return format->packed_k(k); }
    [[nodiscard]] size_t panel_bytes() const { return column_bytes(format->activations.kind, packed_k()) * size_t(slots * tokens); }
    // Per thread: the floats of one panel side by side.
    [[nodiscard]] size_t scratch_bytes() const { return size_t(panel_columns * packed_k()) * sizeof(float); }
};

// Which columns go to which expert: they are sorted by expert and cut into panels.
struct ExpertPlan {
    struct Column {
        int32_t slot, token;
    };
    struct Panel {
        int32_t first, columns;
    };
    struct Group {
        int32_t expert, first_panel, panels;
    };
    std::vector<Column> columns;
    std::vector<Panel> panels;
    std::vector<Group> groups;

    // Thread: one, while the others wait. Columns of experts that do not exist are left out.
    void make(const MulMatId& job);
};

// As for MulMat: quantise, meet, multiply.
void quantise_share(const Isa& isa, const MulMatId& job, const ExpertPlan& plan, const Member& member, uint8_t* panels,
                    uint8_t* scratch);
void multiply_share(const Isa& isa, const MulMatId& job, const ExpertPlan& plan, const Member& member, const uint8_t* panels,
                    std::atomic<int64_t>& next_unit);

}  // namespace weft::kernels
