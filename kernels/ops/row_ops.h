// The ops between products: norms, rotations, sums, gates, writing into the KV cache. With them a whole decode is one graph of ours,
// and its threads are called together once.
//
// Such a node is divided into slices along one dimension, the same for all nodes of a batch (its tokens): what a thread
// computes in one node is what it needs in the next, and they need not meet in between. See Touch.
#pragma once

#include <ggml.h>

#include <array>
#include <cstdint>
#include <vector>

#include "isa/isa.h"
#include "ops/team.h"

namespace weft::kernels {

bool is_row_op(const ggml_tensor* op);
// Whether this node, whose tensors lie in plain memory, can be computed.
bool row_op_supported(const ggml_tensor* op);

// The factors of ROPE for some tokens, for two kinds of rotation in turns. One per thread; forget() when a graph begins.
class Rotations {
  public:
    void forget() { known_ = {}; }
    // 2 * dims factors for each of the tokens first .. end - 1. See RowKernels::rotate.
    const float* factors(const ggml_tensor* rope, int64_t first, int64_t end);

  private:
    struct Known {
        const ggml_tensor* rope = nullptr;
        int64_t first = 0, end = 0;
        std::vector<float> factors{};
    };
    std::array<Known, 2> known_{};
    int next_ = 0;
};

// This member's slices.
void row_op_share(const Isa& isa, const ggml_tensor* op, const Member& member, Rotations& rotations);

// Memory that a node reads or writes, and by whom.
struct Touch {
    const char *begin, *end;
    bool writes;
    // Member i has slices i * slices / members ..., each `stride` bytes; 1: all of it is the first member's. 0: anybody's.
    int64_t slices;
    size_t stride;

    // Whether members have to meet between the two.
    [[nodiscard]] bool conflicts(const Touch& other) const;
};

// Appends what a row op touches.
void add_touches(const ggml_tensor* op, std::vector<Touch>& touches);

}  // namespace weft::kernels
