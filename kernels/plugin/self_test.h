// Computes a little of everything and compares it with plain loops over ggml's own dequantisation.
#pragma once

#include "isa/isa.h"

namespace weft::kernels {

// Null when all results are right, else which are not. Some milliseconds.
const char* self_test(const Isa& isa);

}  // namespace weft::kernels
