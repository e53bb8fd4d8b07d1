// The inner loops: one strip times one panel. Written once for all instruction sets and types: V is Avx512 or Avx2, T one of
// AllTypes, C the number of columns.
//
// vpdpbusd wants one unsigned and one signed operand: weights are stored unsigned (code + offset), and the offset is taken
// back by starting the integer sum at bias = -offset * sum(activation codes).
#pragma once

#include <immintrin.h>

#include <utility>

#include "isa/isa.h"
#include "isa/plain_pairs.h"
#include "isa/unpack.h"
#include "types/all.h"

namespace weft::kernels {
namespace {

// Adds the products of groups First..First+Count-1 to the sums of a few columns. The columns are interleaved because
// each sum is a chain of 5-cycle steps.
template <class V, class T, int First, int Count, int Columns>
[[gnu::always_inline]] inline void dot(typename V::Ints (&sum)[Columns], const typename V::Bytes (&w)[8], const uint8_t* codes) {
    constexpr int together = V::groups_in_words(T::Codes::largest);
    if constexpr (together > 0) {
        // The sums fit into 16 bits for some groups, and are widened once for all of them.
        constexpr int step = together < Count ? together : Count;
        static_assert(Count % step == 0);
        UNROLL
        for (int first = First; first < First + Count; first += step) {
            typename V::Words words[Columns];
            UNROLL
            for (int g = first; g < first + step; ++g) {
                UNROLL
                for (int c = 0; c < Columns; ++c) {
                    const auto products = V::pair_products(w[g], codes + 32 * c + 4 * g);
                    words[c] = g == first ? products : V::add_words(words[c], products);
                }
            }
            UNROLL
            for (int c = 0; c < Columns; ++c) sum[c] = V::add_pairs(sum[c], words[c]);
        }
    } else {
        UNROLL
        for (int g = First; g < First + Count; ++g) {
            UNROLL
            for (int c = 0; c < Columns; ++c) V::dot(sum[c], w[g], codes + 32 * c + 4 * g);
        }
    }
}

// Calls f(first column, column count), both as constants, for the C columns in steps.
template <int C, int Step, int First = 0>
[[gnu::always_inline]] inline void in_steps(auto&& f) {
    constexpr int count = C - First < Step ? C - First : Step;
    f(std::integral_constant<int, First>{}, std::integral_constant<int, count>{});
    if constexpr (First + count < C) in_steps<C, Step, First + count>(f);
}

// Decode waits for memory, and the hardware prefetcher alone does not keep up with one core.
template <int Bytes>
void prefetch_ahead(const uint8_t* p) {
    constexpr int distance = 4096;
    UNROLL
    for (int i = 0; i < Bytes; i += 64) _mm_prefetch(p + distance + i, _MM_HINT_T0);
}

template <class V, int C>
void store(const typename V::Floats (&total)[C], float* dst, int64_t stride) {
    UNROLL
    for (int c = 0; c < C; ++c) V::store(dst + c * stride, total[c]);
}

template <class V, class T>
constexpr bool has_bias = T::offset != 0 && V::keeps_offset(T::Codes::largest);

template <class V, class T>
typename V::Floats block_scale(const uint8_t* strip, int b) {
    if constexpr (T::scale == BlockScale::exponent) return V::load_exponents(strip + 16 * b);
    else return V::load_half(strip + 32 * b);
}

template <class V, class T, int C>
void block_kernel(const uint8_t* strip, const uint8_t* panel, int64_t k, float* dst, int64_t stride) {
    using Floats = typename V::Floats;
    Floats total[C];
    UNROLL
    for (int c = 0; c < C; ++c) total[c] = V::zero();
    for (int64_t i = 0; i < k; i += 64, strip += T::strip_block_bytes) {
        prefetch_ahead<T::header_bytes>(strip);
        for (int b = 0; b < 2; ++b, panel += 40 * C) {
            const uint8_t* codes = strip + T::header_bytes + b * T::Codes::bytes;
            typename V::Bytes w[8];
            Unpack<V>::codes(typename T::Codes{}, codes, w);
            const Floats scale = block_scale<V, T>(strip, b);
            prefetch_ahead<T::Codes::bytes>(codes);
            in_steps<C, 4>([&]<int First, int N>(std::integral_constant<int, First>, std::integral_constant<int, N>) {
                const uint8_t *scales = panel + 32 * C + 4 * First, *extras = panel + 36 * C + 4 * First;
                typename V::Ints sum[N];
                UNROLL
                for (int c = 0; c < N; ++c) sum[c] = has_bias<V, T> ? V::splat_int(extras + 4 * c) : V::no_ints();
                dot<V, T, 0, 8>(sum, w, panel + 32 * First);
                UNROLL
                for (int c = 0; c < N; ++c) {
                    const Floats both = V::mul(scale, V::splat_float(scales + 4 * c));
                    total[First + c] = V::fma(V::to_floats(sum[c]), both, total[First + c]);
                }
                if constexpr (T::scale == BlockScale::half_and_min) {
                    const Floats min = V::load_half(strip + 64 + 32 * b);
                    UNROLL
                    for (int c = 0; c < N; ++c) total[First + c] = V::fma(min, V::splat_float(extras + 4 * c), total[First + c]);
                }
            });
        }
    }
    store<V, C>(total, dst, stride);
}

// 8 sub-blocks of 32 k, each with a scale and a minimum that is subtracted.
template <class V, class T, int C>
void super_min_kernel(const uint8_t* strip, const uint8_t* panel, int64_t k, float* dst, int64_t stride) {
    using Floats = typename V::Floats;
    Floats total[C];
    UNROLL
    for (int c = 0; c < C; ++c) total[c] = V::zero();
    for (int64_t i = 0; i < k; i += 256, strip += T::strip_block_bytes, panel += 276 * C) {
        prefetch_ahead<T::header_bytes>(strip);
        const Floats d = V::load_half(strip);
        Floats part[C];
        {
            typename V::Words mins[4];
            UNROLL
            for (int p = 0; p < 4; ++p) mins[p] = V::load_pairs(strip + 192 + 32 * p);
            const Floats dmin = V::sub(V::zero(), V::load_half(strip + 32));
            UNROLL
            for (int c = 0; c < C; ++c) {
                auto sum = V::no_ints();
                UNROLL
                for (int p = 0; p < 4; ++p) sum = V::dot_pairs(sum, mins[p], panel + 260 * C + 16 * c + 4 * p);
                part[c] = V::mul(dmin, V::to_floats(sum));
            }
        }
        for (int j = 0; j < 8; ++j) {
            const uint8_t* codes = strip + T::header_bytes + T::Codes::bytes * j;
            typename V::Bytes w[8];
            Unpack<V>::codes(typename T::Codes{}, codes, w);
            const Floats scale = V::mul(d, V::load_uint8(strip + 64 + 16 * j));
            prefetch_ahead<T::Codes::bytes>(codes);
            in_steps<C, 4>([&]<int First, int N>(std::integral_constant<int, First>, std::integral_constant<int, N>) {
                typename V::Ints sum[N];
                UNROLL
                for (int c = 0; c < N; ++c) sum[c] = V::no_ints();
                dot<V, T, 0, 8>(sum, w, panel + 32 * (j * C + First));
                UNROLL
                for (int c = 0; c < N; ++c) part[First + c] = V::fma(V::to_floats(sum[c]), scale, part[First + c]);
            });
        }
        UNROLL
        for (int c = 0; c < C; ++c) total[c] = V::fma(part[c], V::splat_float(panel + 256 * C + 4 * c), total[c]);
    }
    store<V, C>(total, dst, stride);
}

// 16 sub-blocks of 16 k, each with a signed scale.
template <class V, class T, int C>
void super_signed_kernel(const uint8_t* strip, const uint8_t* panel, int64_t k, float* dst, int64_t stride) {
    using Floats = typename V::Floats;
    Floats total[C];
    UNROLL
    for (int c = 0; c < C; ++c) total[c] = V::zero();
    for (int64_t i = 0; i < k; i += 256, strip += T::strip_block_bytes, panel += 324 * C) {
        prefetch_ahead<T::header_bytes>(strip);
        const Floats d = V::load_half(strip);
        Floats part[C];
        UNROLL
        for (int c = 0; c < C; ++c) part[c] = V::zero();
        for (int j = 0; j < 8; ++j) {
            const uint8_t* codes = strip + T::header_bytes + T::Codes::bytes * j;
            typename V::Bytes w[8];
            Unpack<V>::codes(typename T::Codes{}, codes, w);
            const Floats scale0 = V::mul(d, V::load_int8(strip + 64 + 32 * j));
            const Floats scale1 = V::mul(d, V::load_int8(strip + 64 + 32 * j + 16));
            const uint8_t* bias = panel + 260 * C + 8 * C * j;
            prefetch_ahead<T::Codes::bytes>(codes);
            in_steps<C, 2>([&]<int First, int N>(std::integral_constant<int, First>, std::integral_constant<int, N>) {
                const uint8_t* x = panel + 32 * (j * C + First);
                typename V::Ints sum0[N], sum1[N];
                UNROLL
                for (int c = 0; c < N; ++c) {
                    sum0[c] = has_bias<V, T> ? V::splat_int(bias + 4 * (First + c)) : V::no_ints();
                    sum1[c] = has_bias<V, T> ? V::splat_int(bias + 4 * (C + First + c)) : V::no_ints();
                }
                dot<V, T, 0, 4>(sum0, w, x);
                dot<V, T, 4, 4>(sum1, w, x);
                UNROLL
                for (int c = 0; c < N; ++c) {
                    part[First + c] = V::fma(V::to_floats(sum0[c]), scale0, part[First + c]);
                    part[First + c] = V::fma(V::to_floats(sum1[c]), scale1, part[First + c]);
                }
            });
        }
        UNROLL
        for (int c = 0; c < C; ++c) total[c] = V::fma(part[c], V::splat_float(panel + 256 * C + 4 * c), total[c]);
    }
    store<V, C>(total, dst, stride);
}

// A few columns along the whole strip. Even and odd k have a sum each: one chain of FMAs would be slower than memory.
template <class V, class T, int C, int First, int Columns>
void plain_columns(const uint8_t* strip, const uint8_t* panel, int64_t k, float* dst, int64_t stride) {
    using Floats = typename V::Floats;
    Floats even[Columns], odd[Columns];
    UNROLL
    for (int c = 0; c < Columns; ++c) even[c] = odd[c] = V::zero();
    panel += 4 * First;
    for (int64_t i = 0; i < k; i += 32, strip += T::strip_block_bytes, panel += 128 * C) {
        if constexpr (First == 0) prefetch_ahead<T::strip_block_bytes>(strip);
        UNROLL
        for (int j = 0; j < 32; j += 2) {
            Floats first, second;
            load_plain_pair<V, T>(strip, j, first, second);
            UNROLL
            for (int c = 0; c < Columns; ++c) {
                even[c] = V::fma(first, V::splat_float(panel + 4 * (C * j + c)), even[c]);
                odd[c] = V::fma(second, V::splat_float(panel + 4 * (C * (j + 1) + c)), odd[c]);
            }
        }
    }
    UNROLL
    for (int c = 0; c < Columns; ++c) V::store(dst + (First + c) * stride, V::add(even[c], odd[c]));
}

template <class V, class T, int C, int First = 0>
void plain_kernel(const uint8_t* strip, const uint8_t* panel, int64_t k, float* dst, int64_t stride) {
    constexpr int at_once = V::registers >= 32 ? 8 : 3;
    constexpr int columns = C - First < at_once ? C - First : at_once;
    plain_columns<V, T, C, First, columns>(strip, panel, k, dst, stride);
    if constexpr (First + columns < C) plain_kernel<V, T, C, First + columns>(strip, panel, k, dst, stride);
}

template <class V, class T, int C>
constexpr StripKernel kernel_of() {
    if constexpr (T::family == Family::block) return block_kernel<V, T, C>;
    else if constexpr (T::family == Family::super_min) return super_min_kernel<V, T, C>;
    else if constexpr (T::family == Family::plain) return plain_kernel<V, T, C>;
    else return super_signed_kernel<V, T, C>;
}

template <class V, class T>
StripKernel kernel_for(int columns) {
    return []<int... I>(int index, std::integer_sequence<int, I...>) {
        static constexpr StripKernel kernels[] = {kernel_of<V, T, I + 1>()...};
        return kernels[index];
    }(columns - 1, std::make_integer_sequence<int, panel_columns>{});
}

template <class V, class... T>
StripKernel find_among(ggml_type type, int columns, TypeList<T...>) {
    StripKernel found = nullptr;
    ((type == T::type ? void(found = kernel_for<V, T>(columns)) : void()), ...);
    return found;
}

template <class V>
StripKernel strip_kernel(ggml_type type, int columns) {
    return find_among<V>(type, columns, AllTypes{});
}

}  // namespace
}  // namespace weft::kernels
