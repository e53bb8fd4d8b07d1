// BF16 weights on AVX-512 BF16: pairs of weights meet pairs of activations, rounded to BF16 as ggml rounds them. Everything else is
// avx512vnni's.
#include <immintrin.h>

#include <utility>

#include "isa/isa.h"
#include "types/plain.h"

namespace weft::kernels {
namespace {

// sum += the products of each pair of w with the pair at p, repeated. See Avx512::dot on why it is written so.
inline void dot(__m512& sum, __m512i w, const uint8_t* p) {
    asm("vdpbf16ps %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(w), "m"(*reinterpret_cast<const int32_t (*)[1]>(p)));
}

// N columns along the whole strip. Even and odd pairs have a sum each, whatever N is: no row's result depends on the others.
template <int C, int First, int N>
void multiply_columns(const uint8_t* strip, const uint8_t* panel, int64_t k, float* dst, int64_t stride) {
    constexpr int ahead = 4096;
    __m512 sums[2][N];
#pragma GCC unroll 16
    for (int c = 0; c < N; ++c) sums[0][c] = sums[1][c] = _mm512_setzero_ps();
    for (int64_t i = 0; i < k; i += 32, strip += Bf16::strip_block_bytes, panel += 128 * C) {
#pragma GCC unroll 16
        for (int j = 0; j < 16; ++j) {
            if constexpr (First == 0) _mm_prefetch(reinterpret_cast<const char*>(strip) + ahead + 64 * j, _MM_HINT_T0);
            const __m512i w = _mm512_load_si512(strip + 64 * j);
#pragma GCC unroll 16
            for (int c = 0; c < N; ++c) dot(sums[j % 2][c], w, panel + 4 * (C * j + First + c));
        }
    }
#pragma GCC unroll 16
    for (int c = 0; c < N; ++c) _mm512_storeu_ps(dst + (First + c) * stride, _mm512_add_ps(sums[0][c], sums[1][c]));
}

template <int C, int First = 0>
void multiply_strip(const uint8_t* strip, const uint8_t* panel, int64_t k, float* dst, int64_t stride) {
    constexpr int n = C - First < 8 ? C - First : 8;
    multiply_columns<C, First, n>(strip, panel, k, dst, stride);
    if constexpr (First + n < C) multiply_strip<C, First + n>(strip, panel, k, dst, stride);
}

StripKernel kernel_for(int columns) {
    return []<int... I>(int index, std::integer_sequence<int, I...>) {
        static constexpr StripKernel kernels[] = {multiply_strip<I + 1, 0>...};
        return kernels[index];
    }(columns - 1, std::make_integer_sequence<int, panel_columns>{});
}

StripKernel strip_kernel(ggml_type type, int columns) {
    return type == GGML_TYPE_BF16 ? kernel_for(columns) : avx512vnni.strip_kernel(type, columns);
}

void quantise_panel(Activations kind, const float* x, int64_t stride, int64_t k, int columns, uint8_t* panel) {
    if (kind.kind != PanelKind::bf16) return avx512vnni.quantise_panel(kind, x, stride, k, columns, panel);
    for (int c = 0; c < columns; ++c)
        for (int64_t i = 0; i < k; i += 32) {
            const float* from = x + c * stride + i;
            alignas(64) int32_t pairs[16];
            _mm512_store_si512(pairs, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + 16), _mm512_loadu_ps(from))));
            auto* out = reinterpret_cast<int32_t*>(panel + i / 32 * 128 * columns) + c;
            for (int j = 0; j < 16; ++j) out[j * columns] = pairs[j];
        }
}

bool runs_here() { return avx512vnni.runs_here() && __builtin_cpu_supports("avx512bf16"); }

}  // namespace

const Isa& avx512bf16() {
    static const Isa isa{.name = "avx512bf16",
                         .runs_here = runs_here,
                         .strip_kernel = strip_kernel,
                         .quantise_panel = quantise_panel,
                         .attend = avx512vnni.attend,
                         .rows = avx512vnni.rows};
    return isa;
}

}  // namespace weft::kernels
