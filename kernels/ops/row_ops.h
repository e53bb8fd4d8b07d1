// The ops between products: norms, rotations, sums, gates, writing into the KV cache. With them a whole decode is one graph of ours,
// and its threads are called together once.
//
// Such a node is divided into slices along one dimension, the same for all nodes of a batch (its tokens): what is computed of one
// node is what is needed in the next, so that one thread takes a part of a whole chain of nodes. See Touch.
#pragma once

#include <ggml.h>

#include <cstdint>
#include <vector>

#include "isa/isa.h"
#include "ops/team.h"

namespace weft::kernels {

bool is_row_op(const ggml_tensor* op);
// Whether this node, whose tensors lie in plain memory, can be computed.
bool row_op_supported(const ggml_tensor* op);

// ROPE's factors, which depend on nothing but the tokens' positions: two nodes that rotate alike share them.
bool rotate_alike(const ggml_tensor* rope, const ggml_tensor* other);
size_t rotation_floats(const ggml_tensor* rope);
// For part of the tokens, of factors[rotation_floats(rope)].
void make_rotations(const ggml_tensor* rope, Part part, float* factors);

// Slices of a node that are computed apart; 1: it is small, or has no more.
int64_t row_op_slices(const ggml_tensor* op);
// The slices of one part. `rotations`: of a ROPE, else null.
void row_op_part(const Isa& isa, const ggml_tensor* op, Part part, const float* rotations);

// Memory that a node reads or writes.
struct Touch {
    const char *begin, *end;
    bool writes;
    // n > 1: slice i has bytes of i * stride .. (i + 1) * stride - 1 only; 1: the node is not divided; 0: any slice has any bytes.
    int64_t slices;
    size_t stride;

    // Whether one node may be computed only after the other. False as well if slices depend on nothing but the same slices, and if
    // neither is divided: nodes of one stage with equally many slices are one chain, of which a thread takes a part from end to end.
    [[nodiscard]] bool conflicts(const Touch& other) const;
};

// Appends what a row op touches.
void add_touches(const ggml_tensor* op, std::vector<Touch>& touches);

}  // namespace weft::kernels
