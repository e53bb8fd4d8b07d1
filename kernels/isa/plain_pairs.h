// Weights that are floating point numbers, out of a strip. Written once for all instruction sets: V is Avx512 or Avx2.
#pragma once

#include <ggml.h>

#include <cstdint>

#include "layout/codes.h"

namespace weft::kernels {
namespace {

// Weights k and k + 1 of 16 rows.
template <class V, class T>
void load_plain_pair(const uint8_t* strip, int k, typename V::Floats& first, typename V::Floats& second) {
    const uint8_t* from = strip + k * strip_rows * T::file_bytes / 32;
    if constexpr (T::type == GGML_TYPE_F16) {
        first = V::load_half(from), second = V::load_half(from + 32);
    } else if constexpr (T::type == GGML_TYPE_BF16) {
        V::load_bf16_pairs(from, first, second);
    } else {
        first = V::load(reinterpret_cast<const float*>(from)), second = V::load(reinterpret_cast<const float*>(from) + 16);
    }
}

}  // namespace
}  // namespace weft::kernels
