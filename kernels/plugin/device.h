// What the plug-in registers with ggml: one device of type ACCEL.
//
// There are two device objects. The registered one has the repacking buffer type as its default, so that the model loader
// puts weights there. The one that backends point at has the CPU's: compute buffers are plain host memory, and no tensor is
// copied when the graph goes back and forth between ggml's CPU library and us.
#pragma once

#include "abi/ggml_abi.h"

namespace weft::kernels {

ggml_backend_dev_t loader_device();
ggml_backend_reg_t registration();

}  // namespace weft::kernels
