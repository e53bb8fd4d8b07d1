// A mixture of experts: each token is multiplied with the matrices of a few experts, chosen by `ids`.
#pragma once

#include <cstdint>
#include <vector>

#include "isa/isa.h"
#include "ops/mul_mat.h"
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
    // So few activations that every thread plans and rounds for itself, which costs less than to meet.
    [[nodiscard]] bool own_panels() const { return slots * tokens * packed_k() <= most_own_numbers; }
    // Per thread: the floats of one panel side by side, then its own panels.
    [[nodiscard]] size_t side_by_side_bytes() const { return size_t(panel_columns * packed_k()) * sizeof(float); }
    [[nodiscard]] size_t scratch_bytes() const { return side_by_side_bytes() + (own_panels() ? panel_bytes() : 0); }
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

// Part of the panels of a plan; `panels` and `scratch` as for MulMat.
void quantise_part(const Isa& isa, const MulMatId& job, const ExpertPlan& plan, Part part, uint8_t* panels, uint8_t* scratch);
// Part of the product.
void multiply_part(const Isa& isa, const MulMatId& job, const ExpertPlan& plan, Part part, const uint8_t* panels);

}  // namespace weft::kernels
