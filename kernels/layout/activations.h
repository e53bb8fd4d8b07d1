// Activations as the kernels read them: int8 codes in panels of up to 16 columns (tokens), laid out so that every access
// of the inner loop is one base register plus a constant.
//
// A panel is a sequence of panel blocks along k, for C columns:
//   block_bias (32 k):  i8 codes[C][32], f32 scale[C], i32 bias[C]          bias = -offset * sum(codes)
//   block_sum  (32 k):  i8 codes[C][32], f32 scale[C], f32 sum[C]           sum = scale * sum(codes)
//   super_sums (256 k): i8 codes[8][C][32], f32 scale[C], i16 sums[C][8]    sums of 32 codes each
//   floats     (32 k):  f32 x[32][C], as they are
//   bf16       (32 k):  bf16 x[16][C][2] where the instruction set multiplies them, and 64 C unused bytes; else as floats
//   super_bias (256 k): i8 codes[8][C][32], f32 scale[C], i32 bias[16][C]   bias = -offset * sum of 16 codes
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::kernels {

inline constexpr int panel_columns = 16;

enum class PanelKind : uint8_t { block_bias, block_sum, super_sums, super_bias, floats, bf16 };

// Which panel a weight format multiplies with. Weights are stored unsigned, as code + offset.
struct Activations {
    PanelKind kind;
    int offset;
    bool operator==(const Activations&) const = default;
};

constexpr int panel_block_k(PanelKind kind) {
    return kind == PanelKind::super_sums || kind == PanelKind::super_bias ? 256 : 32;
}

// Bytes of one panel block per column.
constexpr size_t panel_block_bytes(PanelKind kind) {
    switch (kind) {
        case PanelKind::block_bias:
        case PanelKind::block_sum: return 32 + 4 + 4;
        case PanelKind::super_sums: return 256 + 4 + 16;
        case PanelKind::super_bias: return 256 + 4 + 64;
        case PanelKind::floats:
        case PanelKind::bf16: return 32 * 4;
    }
    return 0;
}

constexpr size_t column_bytes(PanelKind kind, int64_t k) {
    return size_t(k / panel_block_k(kind)) * panel_block_bytes(kind);
}

}  // namespace weft::kernels
