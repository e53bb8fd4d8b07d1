// The inner loops. vpdpbusd wants one unsigned and one signed operand: weights are stored unsigned (code + offset), and
// the offset is taken back by starting the integer sum at bias = -offset * sum(activation codes).
#include <cstring>
#include <immintrin.h>
#include <utility>

#include "isa/attention.h"
#include "isa/avx512.h"
#include "isa/isa.h"
#include "isa/quantise_avx512.h"

namespace weft::kernels {
namespace {

__m512i load(const uint8_t* p) { return _mm512_load_si512(p); }
__m512 load_halves(const uint8_t* p) { return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(p))); }
__m512i splat32(const uint8_t* p) {
    int32_t v;
    std::memcpy(&v, p, 4);
    return _mm512_set1_epi32(v);
}
__m512 splat_float(const uint8_t* p) { return _mm512_castsi512_ps(splat32(p)); }

void unpack_nibbles(const uint8_t* in, __m512i (&w)[8]) {
    const __m512i mask = _mm512_set1_epi8(15);
    UNROLL
    for (int g = 0; g < 4; ++g) {
        const __m512i both = load(in + 64 * g);
        w[g] = _mm512_and_si512(both, mask);
        w[g + 4] = _mm512_and_si512(_mm512_srli_epi16(both, 4), mask);
    }
}

void unpack_five_bits(const uint8_t* in, __m512i (&w)[8]) {
    unpack_nibbles(in, w);
    const __m512i mask = _mm512_set1_epi8(16), fifth = load(in + 256);
    UNROLL
    for (int g = 0; g < 8; ++g) {
        const __m512i moved = g <= 4 ? _mm512_slli_epi16(fifth, unsigned(4 - g)) : _mm512_srli_epi16(fifth, unsigned(g - 4));
        w[g] = _mm512_or_si512(w[g], _mm512_and_si512(moved, mask));
    }
}

void unpack_six_bits(const uint8_t* in, __m512i (&w)[8]) {
    unpack_nibbles(in, w);
    const __m512i mask = _mm512_set1_epi8(0x30);
    UNROLL
    for (int h = 0; h < 2; ++h) {
        const __m512i top = load(in + 256 + 64 * h);
        w[4 * h] = _mm512_or_si512(w[4 * h], _mm512_and_si512(_mm512_slli_epi16(top, 4), mask));
        w[4 * h + 1] = _mm512_or_si512(w[4 * h + 1], _mm512_and_si512(_mm512_slli_epi16(top, 2), mask));
        w[4 * h + 2] = _mm512_or_si512(w[4 * h + 2], _mm512_and_si512(top, mask));
        w[4 * h + 3] = _mm512_or_si512(w[4 * h + 3], _mm512_and_si512(_mm512_srli_epi16(top, 2), mask));
    }
}

// sum += w * (4 codes, repeated). GCC 16 does not fold the broadcast into vpdpbusd; the fold saves a third of the uops.
void multiply_add(__m512i& sum, __m512i w, const uint8_t* codes) {
    asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(w), "m"(*reinterpret_cast<const int32_t (*)[1]>(codes)));
}

// Adds the products of groups First..First+Count-1 to the sums of a few columns. The columns are interleaved because
// each sum is a chain of 5-cycle steps.
template <int First, int Count, int Columns>
void dot(__m512i (&sum)[Columns], const __m512i (&w)[8], const uint8_t* codes) {
    UNROLL
    for (int g = First; g < First + Count; ++g) {
        UNROLL
        for (int c = 0; c < Columns; ++c) multiply_add(sum[c], w[g], codes + 32 * c + 4 * g);
    }
}

// Calls f(first column, integral_constant<column count>) for the columns in steps of 4.
template <int C, int First = 0>
[[gnu::always_inline]] inline void by_fours(auto&& f) {
    constexpr int count = C - First < 4 ? C - First : 4;
    f(std::integral_constant<int, First>{}, std::integral_constant<int, count>{});
    if constexpr (First + count < C) by_fours<C, First + count>(f);
}

// Decode waits for memory, and the hardware prefetcher alone does not keep up with one core.
void prefetch(const uint8_t* p, int bytes) {
    constexpr int distance = 4096;
    UNROLL
    for (int i = 0; i < bytes; i += 64) _mm_prefetch(p + distance + i, _MM_HINT_T0);
}

template <int C>
void store(const __m512 (&total)[C], float* dst, int64_t stride) {
    UNROLL
    for (int c = 0; c < C; ++c) _mm512_storeu_ps(dst + c * stride, total[c]);
}

// Q8_0, Q5_0 and Q4_0: 32 k per scale.
template <int C, int Bits>
void block32(const uint8_t* strip, const uint8_t* panel, int64_t k, float* dst, int64_t stride) {
    constexpr int code_bytes = 64 * Bits;
    __m512 total[C];
    UNROLL
    for (int c = 0; c < C; ++c) total[c] = _mm512_setzero_ps();
    for (int64_t i = 0; i < k; i += 64, strip += 64 + 2 * code_bytes) {
        for (int b = 0; b < 2; ++b, panel += 40 * C) {
            const uint8_t* codes = strip + 64 + b * code_bytes;
            __m512i w[8];
            if constexpr (Bits == 4) {
                unpack_nibbles(codes, w);
            } else if constexpr (Bits == 5) {
                unpack_five_bits(codes, w);
            } else {
                UNROLL
                for (int g = 0; g < 8; ++g) w[g] = load(codes + 64 * g);
            }
            const __m512 scale = load_halves(strip + 32 * b);
            prefetch(codes, code_bytes);
            by_fours<C>([&]<int First, int N>(std::integral_constant<int, First>, std::integral_constant<int, N>) {
                __m512i sum[N];
                UNROLL
                for (int c = 0; c < N; ++c) sum[c] = splat32(panel + 36 * C + 4 * (First + c));
                dot<0, 8>(sum, w, panel + 32 * First);
                UNROLL
                for (int c = 0; c < N; ++c) {
                    const __m512 both = _mm512_mul_ps(scale, splat_float(panel + 32 * C + 4 * (First + c)));
                    total[First + c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[c]), both, total[First + c]);
                }
            });
        }
    }
    store<C>(total, dst, stride);
}

// Q4_K: 8 sub-blocks of 32 k, each with a scale and a minimum that is subtracted.
template <int C>
void super_q4_k(const uint8_t* strip, const uint8_t* panel, int64_t k, float* dst, int64_t stride) {
    alignas(64) __m512 total[C];
    for (int c = 0; c < C; ++c) total[c] = _mm512_setzero_ps();
    for (int64_t i = 0; i < k; i += 256, strip += 320 + 8 * 256, panel += 276 * C) {
        const __m512 d = load_halves(strip);
        __m512 part[C];
        {
            __m512i mins[4];
            UNROLL
            for (int p = 0; p < 4; ++p)
                mins[p] = _mm512_cvtepu8_epi16(_mm256_load_si256(reinterpret_cast<const __m256i*>(strip + 192 + 32 * p)));
            const __m512 dmin = load_halves(strip + 32);
            UNROLL
            for (int c = 0; c < C; ++c) {
                __m512i sum = _mm512_setzero_si512();
                UNROLL
                for (int p = 0; p < 4; ++p) sum = _mm512_dpwssd_epi32(sum, mins[p], splat32(panel + 260 * C + 16 * c + 4 * p));
                part[c] = _mm512_fnmadd_ps(dmin, _mm512_cvtepi32_ps(sum), _mm512_setzero_ps());
            }
        }
        for (int j = 0; j < 8; ++j) {
            __m512i w[8];
            unpack_nibbles(strip + 320 + 256 * j, w);
            const __m128i scale8 = _mm_load_si128(reinterpret_cast<const __m128i*>(strip + 64 + 16 * j));
            const __m512 scale = _mm512_mul_ps(d, _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(scale8)));
            prefetch(strip + 320 + 256 * j, 256);
            by_fours<C>([&]<int First, int N>(std::integral_constant<int, First>, std::integral_constant<int, N>) {
                __m512i sum[N] = {};
                dot<0, 8>(sum, w, panel + 32 * (j * C + First));
                UNROLL
                for (int c = 0; c < N; ++c)
                    part[First + c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[c]), scale, part[First + c]);
            });
        }
        UNROLL
        for (int c = 0; c < C; ++c) total[c] = _mm512_fmadd_ps(part[c], splat_float(panel + 256 * C + 4 * c), total[c]);
    }
    store<C>(total, dst, stride);
}

// Q6_K: 16 sub-blocks of 16 k, each with a signed scale; codes are offset by 32.
template <int C>
void super_q6_k(const uint8_t* strip, const uint8_t* panel, int64_t k, float* dst, int64_t stride) {
    alignas(64) __m512 total[C];
    for (int c = 0; c < C; ++c) total[c] = _mm512_setzero_ps();
    for (int64_t i = 0; i < k; i += 256, strip += 320 + 8 * 384, panel += 324 * C) {
        const __m512 d = load_halves(strip);
        __m512 part[C];
        UNROLL
        for (int c = 0; c < C; ++c) part[c] = _mm512_setzero_ps();
        for (int j = 0; j < 8; ++j) {
            __m512i w[8];
            unpack_six_bits(strip + 320 + 384 * j, w);
            const auto scale = [&](int s) {
                const __m128i scale8 = _mm_load_si128(reinterpret_cast<const __m128i*>(strip + 64 + 32 * j + 16 * s));
                return _mm512_mul_ps(d, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(scale8)));
            };
            const __m512 scale0 = scale(0), scale1 = scale(1);
            const uint8_t* bias = panel + 260 * C + 8 * C * j;
            prefetch(strip + 320 + 384 * j, 384);
            by_fours<C>([&]<int First, int N>(std::integral_constant<int, First>, std::integral_constant<int, N>) {
                const uint8_t* codes = panel + 32 * (j * C + First);
                __m512i sum0[N], sum1[N];
                UNROLL
                for (int c = 0; c < N; ++c) {
                    sum0[c] = splat32(bias + 4 * (First + c));
                    sum1[c] = splat32(bias + 4 * (C + First + c));
                }
                dot<0, 4>(sum0, w, codes);
                dot<4, 4>(sum1, w, codes);
                UNROLL
                for (int c = 0; c < N; ++c) {
                    part[First + c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum0[c]), scale0, part[First + c]);
                    part[First + c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum1[c]), scale1, part[First + c]);
                }
            });
        }
        UNROLL
        for (int c = 0; c < C; ++c) total[c] = _mm512_fmadd_ps(part[c], splat_float(panel + 256 * C + 4 * c), total[c]);
    }
    store<C>(total, dst, stride);
}

template <int... I>
StripKernel pick(ggml_type type, int columns, std::integer_sequence<int, I...>) {
    static constexpr StripKernel q8_0[] = {block32<I + 1, 8>...};
    static constexpr StripKernel q5_0[] = {block32<I + 1, 5>...};
    static constexpr StripKernel q4_0[] = {block32<I + 1, 4>...};
    static constexpr StripKernel q4_k[] = {super_q4_k<I + 1>...};
    static constexpr StripKernel q6_k[] = {super_q6_k<I + 1>...};
    switch (type) {
        case GGML_TYPE_Q8_0: return q8_0[columns - 1];
        case GGML_TYPE_Q5_0: return q5_0[columns - 1];
        case GGML_TYPE_Q4_0: return q4_0[columns - 1];
        case GGML_TYPE_Q4_K: return q4_k[columns - 1];
        case GGML_TYPE_Q6_K: return q6_k[columns - 1];
        default: return nullptr;
    }
}

StripKernel strip_kernel(ggml_type type, int columns) {
    return pick(type, columns, std::make_integer_sequence<int, panel_columns>{});
}

bool runs_here() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("f16c");
}

}  // namespace

const Isa avx512vnni = {.name = "avx512vnni",
                        .runs_here = runs_here,
                        .strip_kernel = strip_kernel,
                        .quantise_panel = quantise_panel,
                        .attend = attend_with<Avx512>};

}  // namespace weft::kernels
