// Runs the nodes that ggml's scheduler gives to the plug-in.
#pragma once

#include "abi/ggml_abi.h"

namespace weft::kernels {

// device: what the backend says it runs on.
ggml_backend_t make_backend(ggml_backend_dev_t device);
void set_backend_threads(ggml_backend_t backend, int threads);

}  // namespace weft::kernels
