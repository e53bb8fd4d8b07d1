// Activations as the kernels read them: int8 codes in panels of up to 16 columns (tokens), laid out so that every access
// of the inner loop is one base register plus a constant.
//
// A panel is a sequence of panel blocks along k, for C columns:
//   block32_*    (32 k):  i8 codes[C][32], f32 scale[C], i32 bias[C]      bias = -offset * sum(codes)
//   super_mins  (256 k):  i8 codes[8][C][32], f32 scale[C], i16 sums[C][8]    sums of 32 codes each
//   super_bias32(256 k):  i8 codes[8][C][32], f32 scale[C], i32 bias[16][C]   bias = -32 * sum of 16 codes
#pragma once

#include <cstdint>

#include "layout/format.h"

namespace weft::kernels {

inline constexpr int panel_columns = 16;

constexpr int panel_block_k(ActivationKind kind) {
    return kind == ActivationKind::super_mins || kind == ActivationKind::super_bias32 ? 256 : 32;
}

// Bytes of one panel block per column.
constexpr size_t panel_block_bytes(ActivationKind kind) {
    switch (kind) {
        case ActivationKind::block32_bias128:
        case ActivationKind::block32_bias16:
        case ActivationKind::block32_bias8: return 32 + 4 + 4;
        case ActivationKind::super_mins: return 256 + 4 + 16;
        case ActivationKind::super_bias32: return 256 + 4 + 64;
    }
    return 0;
}

constexpr size_t column_bytes(ActivationKind kind, int64_t k) {
    return size_t(k / panel_block_k(kind)) * panel_block_bytes(kind);
}

}  // namespace weft::kernels
