// The three ways in which quantisation types scale their codes, and the strip blocks that come of them. A type derives from
// one of them and says how one row's block in a GGUF file is read into a Row and written back. A fourth family has no scales:
// its weights are floating point numbers.
#pragma once

#include "layout/activations.h"
#include "layout/codes.h"

namespace weft::kernels {

enum class Family : uint8_t { block, super_min, super_signed, plain };

// 32 weights of one row: scale * code, or scale * code + min.
struct BlockRow {
    uint8_t codes[32];  // offset included
    uint16_t scale;     // a half, or in exponent types the low byte is a power of two (E8M0)
    uint16_t min;       // a half
};

enum class BlockScale : uint8_t { half, half_and_min, exponent };

// Strip block of 64 k: scales of 2 x 16 rows, if so the mins, then 2 x codes of 32 k.
template <class CodesOf, int Offset, BlockScale Scale = BlockScale::half>
struct BlockFamily {
    static constexpr Family family = Family::block;
    using Codes = CodesOf;
    using Row = BlockRow;
    static constexpr BlockScale scale = Scale;
    static constexpr int offset = Offset;
    static constexpr int row_k = 32, strip_k = 64;
    static constexpr int header_bytes = Scale == BlockScale::half_and_min ? 128 : 64;
    static constexpr int strip_block_bytes = header_bytes + 2 * Codes::bytes;
    static constexpr Activations activations{
        Scale == BlockScale::half_and_min ? PanelKind::block_sum : PanelKind::block_bias, Offset};
};

// 256 weights of one row. super_min: d * scale * code - dmin * min, for each 32. super_signed: d * scale * (code - offset),
// for each 16, scale signed.
struct SuperRow {
    uint8_t codes[256];
    uint16_t d, dmin;
    uint8_t scales[16];
    uint8_t mins[8];
};

// Strip block of 256 k. 0: d half[16] | 32: dmin half[16] | 64: scale u8[8][16] | 192: min u8[4][16][2], pairs of
// sub-blocks | 320: 8 x codes of 32 k
template <class CodesOf>
struct SuperMinFamily {
    static constexpr Family family = Family::super_min;
    using Codes = CodesOf;
    using Row = SuperRow;
    static constexpr int offset = 0;
    static constexpr int row_k = 256, strip_k = 256, header_bytes = 320;
    static constexpr int strip_block_bytes = header_bytes + 8 * Codes::bytes;
    static constexpr Activations activations{PanelKind::super_sums, 0};
};

// 0: d half[16] | 64: scale i8[16][16] | 320: 8 x codes of 32 k
template <class CodesOf, int Offset>
struct SuperSignedFamily {
    static constexpr Family family = Family::super_signed;
    using Codes = CodesOf;
    using Row = SuperRow;
    static constexpr int offset = Offset;
    static constexpr int row_k = 256, strip_k = 256, header_bytes = 320;
    static constexpr int strip_block_bytes = header_bytes + 8 * Codes::bytes;
    static constexpr Activations activations{PanelKind::super_bias, Offset};
};

// Strip block of 32 k: units of the 16 rows side by side, one unit after the other. A unit is what is moved as a whole, one
// weight or (so that 32 k are one AMX tile) a pair of BF16 weights.
template <int WeightBytes, int UnitBytes, PanelKind Panel = PanelKind::floats>
struct PlainFamily {
    static constexpr Family family = Family::plain;
    static constexpr int unit_bytes = UnitBytes;
    static constexpr int row_k = 32, strip_k = 32, file_bytes = 32 * WeightBytes;
    static constexpr int units = file_bytes / UnitBytes;
    static constexpr int strip_block_bytes = strip_rows * file_bytes;
    static constexpr Activations activations{Panel, 0};
};

}  // namespace weft::kernels
