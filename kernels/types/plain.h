// F32, F16 and BF16: nothing to unpack, multiplied as floats of 32 bits, but for BF16 where the processor multiplies that.
#pragma once

#include <ggml.h>

#include "layout/families.h"

namespace weft::kernels {

struct F32 : PlainFamily<4, 4> {
    static constexpr ggml_type type = GGML_TYPE_F32;
};

struct F16 : PlainFamily<2, 2> {
    static constexpr ggml_type type = GGML_TYPE_F16;
};

struct Bf16 : PlainFamily<2, 4, PanelKind::bf16> {
    static constexpr ggml_type type = GGML_TYPE_BF16;
};

}  // namespace weft::kernels
