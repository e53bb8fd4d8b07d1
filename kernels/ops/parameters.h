// What ggml keeps with a node beside its sources.
#pragma once

#include <ggml.h>

#include <cstring>

namespace weft::kernels {

inline float float_param(const ggml_tensor* op, int i) {
    float v;
    std::memcpy(&v, op->op_params + i, sizeof v);
    return v;
}

}  // namespace weft::kernels
