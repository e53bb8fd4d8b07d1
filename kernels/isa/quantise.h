// Activations to 8 bits, or only laid side by side. Written once for all instruction sets: V is Avx512 or Avx2.
#pragma once

#include "isa/halves.h"
#include "layout/activations.h"

namespace weft::kernels {
namespace {

// Scale that maps the largest magnitude of n floats to 127, and its inverse (0 for a block of zeros, or of what is as good as that:
// its inverse would be infinite).
struct Scale {
    float scale, inverse;
};

template <class V>
Scale scale_of(const float* x, int n) {
    auto largest = V::zero();
    for (int i = 0; i < n; i += 16) largest = V::max(largest, V::magnitude(V::load(x + i)));
    const float top = V::highest(largest);
    return {top / 127.0f, top > 1e-30f ? 127.0f / top : 0.0f};
}

// ggml keeps scales of 32 activations as halves. Ours are rounded alike: with any other scale a few codes in a thousand come out
// differently in the next layer, and after some layers the results are as far from ggml's as both are from exact ones.
inline float as_half(float x) {
    constexpr float largest = 65504;
    return x > largest || x < -largest ? x : _cvtsh_ss(_cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT));
}

// Writes 16 codes and returns them as floats, in which their sums are exact, too.
template <class V>
typename V::Floats quantise16(const float* x, typename V::Floats inverse, int8_t* out) {
    const auto codes = V::round(V::mul(V::load(x), inverse));
    V::store_int8(out, V::to_ints(codes));
    return codes;
}

template <class V>
void quantise_block(Activations kind, const float* x, int column, int columns, uint8_t* block) {
    const Scale s = scale_of<V>(x, 32);
    const auto inverse = V::splat(s.inverse);
    int8_t* codes = reinterpret_cast<int8_t*>(block) + 32 * column;
    const float sum = V::sum(V::add(quantise16<V>(x, inverse, codes), quantise16<V>(x + 16, inverse, codes + 16)));
    reinterpret_cast<float*>(block + 32 * columns)[column] = as_half(s.scale);
    if (kind.kind == PanelKind::block_sum) reinterpret_cast<float*>(block + 36 * columns)[column] = as_half(s.scale * sum);
    else reinterpret_cast<int32_t*>(block + 36 * columns)[column] = -kind.offset * int(sum);
}

template <class V>
void quantise_super(Activations kind, const float* x, int column, int columns, uint8_t* block) {
    const Scale s = scale_of<V>(x, 256);
    const auto inverse = V::splat(s.inverse);
    uint8_t* after_codes = block + 256 * columns;
    reinterpret_cast<float*>(after_codes)[column] = s.scale;
    auto* sums = reinterpret_cast<int16_t*>(after_codes + 4 * columns) + 8 * column;
    auto* bias = reinterpret_cast<int32_t*>(after_codes + 4 * columns) + column;
    for (int j = 0; j < 8; ++j) {
        int8_t* codes = reinterpret_cast<int8_t*>(block) + 32 * (j * columns + column);
        const auto a = quantise16<V>(x + 32 * j, inverse, codes), b = quantise16<V>(x + 32 * j + 16, inverse, codes + 16);
        if (kind.kind == PanelKind::super_sums) {
            sums[j] = int16_t(V::sum(V::add(a, b)));
        } else {
            bias[2 * j * columns] = -kind.offset * int(V::sum(a));
            bias[(2 * j + 1) * columns] = -kind.offset * int(V::sum(b));
        }
    }
}

inline void lay_side_by_side(const float* x, int column, int columns, uint8_t* block) {
    auto* out = reinterpret_cast<float*>(block) + column;
    for (int i = 0; i < 32; ++i) out[i * columns] = x[i];
}

template <class V>
void quantise_panel(Activations kind, const float* x, int64_t stride, int64_t k, int columns, uint8_t* panel) {
    const int step = panel_block_k(kind.kind);
    const size_t block_bytes = panel_block_bytes(kind.kind) * size_t(columns);
    for (int c = 0; c < columns; ++c) {
        uint8_t* block = panel;
        for (int64_t i = 0; i < k; i += step, block += block_bytes) {
            const float* from = x + c * stride + i;
            if (kind.kind == PanelKind::floats || kind.kind == PanelKind::bf16) lay_side_by_side(from, c, columns, block);
            else if (step == 32) quantise_block<V>(kind, from, c, columns, block);
            else quantise_super<V>(kind, from, c, columns, block);
        }
    }
}

}  // namespace
}  // namespace weft::kernels
