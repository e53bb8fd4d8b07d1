// The buffers that hold weight matrices, repacked as they are loaded.
#pragma once

#include "abi/ggml_abi.h"
#include "layout/format.h"

namespace weft::kernels {

ggml_backend_buffer_type_t weight_buffer_type();

// The format a tensor is repacked to in such a buffer, or null when it is kept as is.
const Format* repacked_as(const ggml_tensor* tensor);

bool lies_in_weight_buffer(const ggml_tensor* tensor);

// Whether a tensor that lies somewhere is packed there.
bool is_packed(const ggml_tensor* tensor);

}  // namespace weft::kernels
