// Quantises activations with AVX-512.
#pragma once

#include <immintrin.h>

#include "layout/activations.h"

namespace weft::kernels {
namespace {

// Scale that maps the largest magnitude of n floats to 127, and its inverse (0 for an all-zero block).
struct Scale {
    float scale, inverse;
};

Scale scale_of(const float* x, int n) {
    __m512 largest = _mm512_setzero_ps();
    for (int i = 0; i < n; i += 16) largest = _mm512_max_ps(largest, _mm512_abs_ps(_mm512_loadu_ps(x + i)));
    const float top = _mm512_reduce_max_ps(largest);
    return {top / 127.0f, top > 0 ? 127.0f / top : 0.0f};
}

// Writes 16 codes, returns their sum.
int quantise16(const float* x, float inverse, int8_t* out) {
    const __m512i codes = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x), _mm512_set1_ps(inverse)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm512_cvtsepi32_epi8(codes));
    return _mm512_reduce_add_epi32(codes);
}

void quantise_block32(const float* x, int offset, int column, int columns, uint8_t* block) {
    const Scale s = scale_of(x, 32);
    int8_t* codes = reinterpret_cast<int8_t*>(block) + 32 * column;
    const int sum = quantise16(x, s.inverse, codes) + quantise16(x + 16, s.inverse, codes + 16);
    reinterpret_cast<float*>(block + 32 * columns)[column] = s.scale;
    reinterpret_cast<int32_t*>(block + 36 * columns)[column] = -offset * sum;
}

void quantise_super(bool mins, const float* x, int column, int columns, uint8_t* block) {
    const Scale s = scale_of(x, 256);
    uint8_t* after_codes = block + 256 * columns;
    reinterpret_cast<float*>(after_codes)[column] = s.scale;
    auto* sums = reinterpret_cast<int16_t*>(after_codes + 4 * columns) + 8 * column;
    auto* bias = reinterpret_cast<int32_t*>(after_codes + 4 * columns) + column;
    for (int j = 0; j < 8; ++j) {
        int8_t* codes = reinterpret_cast<int8_t*>(block) + 32 * (j * columns + column);
        const int a = quantise16(x + 32 * j, s.inverse, codes);
        const int b = quantise16(x + 32 * j + 16, s.inverse, codes + 16);
        if (mins) {
            sums[j] = int16_t(a + b);
        } else {
            bias[2 * j * columns] = -32 * a;
            bias[(2 * j + 1) * columns] = -32 * b;
        }
    }
}

void quantise_panel(ActivationKind kind, const float* x, int64_t stride, int64_t k, int columns, uint8_t* panel) {
    const int step = panel_block_k(kind);
    const size_t block_bytes = panel_block_bytes(kind) * size_t(columns);
    for (int c = 0; c < columns; ++c) {
        uint8_t* block = panel;
        for (int64_t i = 0; i < k; i += step, block += block_bytes) {
            const float* from = x + c * stride + i;
            switch (kind) {
                case ActivationKind::block32_bias128: quantise_block32(from, 128, c, columns, block); break;
                case ActivationKind::block32_bias16: quantise_block32(from, 16, c, columns, block); break;
                case ActivationKind::block32_bias8: quantise_block32(from, 8, c, columns, block); break;
                case ActivationKind::super_mins: quantise_super(true, from, c, columns, block); break;
                case ActivationKind::super_bias32: quantise_super(false, from, c, columns, block); break;
            }
        }
    }
}

}  // namespace
}  // namespace weft::kernels
