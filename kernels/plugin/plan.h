// What a graph comes to: tasks in stages, see ops/team.h. Two nodes are in one stage only if neither reads or overwrites what the
// other writes.
#pragma once

#include <ggml.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "isa/isa.h"
#include "ops/attention.h"
#include "ops/get_rows.h"
#include "ops/mul_mat.h"
#include "ops/mul_mat_id.h"
#include "ops/row_ops.h"
#include "ops/team.h"

namespace weft::kernels {

enum class TaskKind : uint8_t {
    rotations,         // factors for ROPE
    rows,              // a chain of row ops: each unit computes one part of all of them
    packed_rows,       // GET_ROWS of a packed matrix
    quantise,          // shared panels for a product
    product,           // MUL_MAT
    sort_experts,      // MUL_MAT_ID: which columns go where
    quantise_experts,  // shared panels
    expert_product,
    attention,
    join_attention,    // of a context in parts
};

struct Task {
    TaskKind kind;
    int64_t units;
    const ggml_tensor* node = nullptr;  // packed rows, attention, rotations
    size_t job = 0;                     // of Plan::products, ::mixtures or ::rotations
    int64_t activations = 0;            // products: which rounded activations they need, a number of its own for each
    size_t first = 0, last = 0;         // rows: of Plan::chains
};

class Plan {
  public:
    // Thread: one. Can throw std::bad_alloc.
    void make(ggml_cgraph* graph, const Isa& isa, int threads, bool row_by_row);

    struct Link {
        const ggml_tensor* node;
        size_t rotations;  // ROPE: which
        size_t next;       // 0: none
    };
    struct RotationTable {
        const ggml_tensor* rope;
        std::vector<float> factors;
    };
    std::vector<Task> tasks{};
    std::vector<size_t> first_tasks{};  // of each stage, and the end of the last
    std::vector<Link> chains{};
    std::vector<MulMat> products{};
    std::vector<MulMatId> mixtures{};
    std::vector<RotationTable> rotations{};
    size_t n_rotations = 0;             // in use
    size_t panel_bytes = 0, scratch_bytes = 0;  // shared; each thread's
    int64_t work = 0;                   // bytes of weights times passes over them

  private:
    // What is in the panels.
    struct Rounded {
        bool known = false;
        const ggml_tensor *x = nullptr, *ids = nullptr;  // what they were made from; ids: a mixture's, else null
        MulMat product{};
        MulMatId experts{};
        int64_t number = 0;
    };

    void add(const ggml_tensor* node);
    void add_rows(const ggml_tensor* node);
    void add_packed_rows(const ggml_tensor* node);
    void add_product(const ggml_tensor* node);
    void add_experts(const ggml_tensor* node);
    void add_attention(const ggml_tensor* node);
    size_t rotations_for(const ggml_tensor* rope);

    void rounds(const ggml_tensor* x, const ggml_tensor* ids, const MulMat& product, const MulMatId& experts);
    void touch(const ggml_tensor* t, bool writes);  // by any unit
    [[nodiscard]] bool conflicts() const;            // of what now_ touches with the stage
    void into_stage(bool later);                     // a new one if so, or if there are conflicts
    void next_stage();
    void reserve(size_t shared, size_t own);
    [[nodiscard]] int64_t units_for(int64_t pieces) const;  // no more than keep all threads busy

    const Isa* isa_ = nullptr;
    int threads_ = 1;
    bool row_by_row_ = false;
    std::vector<Touch> stage_{}, now_{};
    bool panels_read_ = false;  // by the stage
    Rounded rounded_{};
};

GetRows packed_rows_of(const ggml_tensor* node);

}  // namespace weft::kernels
