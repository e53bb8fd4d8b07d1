// Sixteen numbers in one zmm register: the vocabulary that the kernel templates are written in. Only for files that are
// compiled for AVX-512; Avx2 has the same words for two ymm registers.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace weft::kernels {
namespace {

struct Avx512 {
    using Floats = __m512;
    using Ints = __m512i;   // 16 of 32 bits
    using Bytes = __m512i;  // a group: 4 codes of each of 16 rows
    using Words = __m512i;  // 16 pairs of 16 bits
    static constexpr int registers = 32;

    static Floats zero() { return _mm512_setzero_ps(); }
    static Floats splat(float x) { return _mm512_set1_ps(x); }
    static Floats load(const float* p) { return _mm512_loadu_ps(p); }
    static void store(float* p, Floats x) { _mm512_storeu_ps(p, x); }
    // The first n of sixteen, the others 0.
    static Floats load_first(const float* p, int n) { return _mm512_maskz_loadu_ps(first(n), p); }
    static void store_first(float* p, int n, Floats x) { _mm512_mask_storeu_ps(p, first(n), x); }
    static void store_half(void* p, Floats x) {
        _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    }
    static Floats load_half(const void* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p))); }
    static Floats load_int8(const void* p) {
        return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p))));
    }
    // Of 16 pairs of BF16 numbers the first and the second ones.
    static void load_bf16_pairs(const void* p, Floats& first, Floats& second) {
        const __m512i pairs = _mm512_loadu_si512(p);
        first = _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
        second = _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xffff0000))));
    }
    static Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
    static Floats sub(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
    static Floats mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
    static Floats div(Floats a, Floats b) { return _mm512_div_ps(a, b); }
    static Floats min(Floats a, Floats b) { return _mm512_min_ps(a, b); }
    static Floats max(Floats a, Floats b) { return _mm512_max_ps(a, b); }
    static Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
    static Floats round(Floats a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
    // x * 2^whole, 0 where `from` is below `least`.
    static Floats scale_or_zero(Floats x, Floats whole, Floats from, float least) {
        return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(from, _mm512_set1_ps(least), _CMP_NLT_UQ), x, whole);
    }
    static Floats swap_pairs(Floats x) { return _mm512_permute_ps(x, 0xb1); }  // of neighbours
    static float highest(Floats x) { return _mm512_reduce_max_ps(x); }
    static float sum(Floats x) { return _mm512_reduce_add_ps(x); }

    // Lane i of the result is the sum of the lanes of x[i].
    static Floats sums(const Floats (&x)[16]) {
        __m512 a[8], b[4], c[2];
        for (int i = 0; i < 8; ++i) a[i] = pair(x[2 * i], x[2 * i + 1]);
        for (int i = 0; i < 4; ++i) b[i] = quad(a[2 * i], a[2 * i + 1]);
        // Each 128-bit lane of b[i] holds partial sums of x[4i], x[4i+1], x[4i+2], x[4i+3].
        for (int i = 0; i < 2; ++i)
            c[i] = _mm512_add_ps(_mm512_shuffle_f32x4(b[2 * i], b[2 * i + 1], 0x88),
                                 _mm512_shuffle_f32x4(b[2 * i], b[2 * i + 1], 0xdd));
        return _mm512_add_ps(_mm512_shuffle_f32x4(c[0], c[1], 0x88), _mm512_shuffle_f32x4(c[0], c[1], 0xdd));
    }

    // Appends the numbers of the 32 cells from `first` whose mask is not -inf to `cells`, their mask to `values`; those in
    // `here` (bit i: cell first + i) only. Writes up to 16 places past the end. Returns how many.
    static int64_t visible32(const uint16_t* mask, uint32_t here, int32_t first, int32_t* cells, float* values) {
        const __m512i m = _mm512_maskz_loadu_epi16(here, mask);
        const __mmask32 seen = _mm512_mask_cmpneq_epi16_mask(here, m, _mm512_set1_epi16(int16_t(0xfc00)));
        if (seen == 0) return 0;
        const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        int64_t n = 0;
        for (int half = 0; half < 2; ++half) {
            const auto bits = static_cast<__mmask16>(seen >> 16 * half);
            const __m256i part = half == 0 ? _mm512_castsi512_si256(m) : _mm512_extracti64x4_epi64(m, 1);
            _mm512_storeu_si512(cells + n, _mm512_maskz_compress_epi32(
                                               bits, _mm512_add_epi32(lanes, _mm512_set1_epi32(first + 16 * half))));
            _mm512_storeu_ps(values + n, _mm512_maskz_compress_ps(bits, _mm512_cvtph_ps(part)));
            n += __builtin_popcount(bits);
        }
        return n;
    }
    // Bits of the 32 cells whose mask is not -inf.
    static uint32_t seen32(const uint16_t* mask, uint32_t here) {
        const __m512i m = _mm512_maskz_loadu_epi16(here, mask);
        return _mm512_mask_cmpneq_epi16_mask(here, m, _mm512_set1_epi16(int16_t(0xfc00)));
    }

    // --- integers ---
    static Ints no_ints() { return _mm512_setzero_si512(); }
    static Ints splat_int(const void* p) {
        int32_t x;
        std::memcpy(&x, p, 4);
        return _mm512_set1_epi32(x);
    }
    static Floats splat_float(const void* p) { return _mm512_castsi512_ps(splat_int(p)); }
    static Floats to_floats(Ints x) { return _mm512_cvtepi32_ps(x); }
    static Floats load_uint8(const void* p) {
        return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p))));
    }
    // Half of 2^(e - 127) of 16 bytes e; 0 for the two smallest.
    static Floats load_exponents(const void* p) {
        const __m512i e = _mm512_cvtepu8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
        const __m512i less = _mm512_max_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), _mm512_setzero_si512());
        return _mm512_castsi512_ps(_mm512_slli_epi32(less, 23));
    }
    static Words load_pairs(const void* p) { return _mm512_cvtepu8_epi16(_mm256_loadu_si256(static_cast<const __m256i*>(p))); }
    // sum + the products of each pair with the pair of 16-bit numbers at p.
    static Ints dot_pairs(Ints sum, Words w, const void* p) { return _mm512_dpwssd_epi32(sum, w, splat_int(p)); }

    // --- codes ---
    // Whether codes of this size are multiplied as they are, so that their offset has to be taken back.
    static constexpr bool keeps_offset(int) { return true; }
    static constexpr int groups_in_words(int) { return 0; }  // vpdpbusd sums in 32 bits
    static Bytes load_bytes(const void* p) { return _mm512_load_si512(p); }
    static Bytes splat_byte(int x) { return _mm512_set1_epi8(static_cast<char>(x)); }
    static Bytes both(Bytes a, Bytes b) { return _mm512_and_si512(a, b); }
    static Bytes either(Bytes a, Bytes b) { return _mm512_or_si512(a, b); }
    // Whole words of 16 bits are shifted; mask what comes in from the neighbour.
    static Bytes left(Bytes a, int bits) { return _mm512_slli_epi16(a, static_cast<unsigned>(bits)); }
    static Bytes right(Bytes a, int bits) { return _mm512_srli_epi16(a, static_cast<unsigned>(bits)); }
    static Bytes lookup(const uint8_t* table, Bytes codes) {
        return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(table))), codes);
    }
    // sum += w * (the 4 activations at p, repeated). GCC 16 does not fold the broadcast into vpdpbusd; the fold saves a third
    // of the micro-operations.
    static void dot(Ints& sum, Bytes w, const uint8_t* p) {
        asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(w), "m"(*reinterpret_cast<const int32_t (*)[1]>(p)));
    }

    // --- quantising ---
    static Floats magnitude(Floats x) { return _mm512_abs_ps(x); }
    static Ints to_ints(Floats x) { return _mm512_cvttps_epi32(x); }
    static void store_int8(int8_t* p, Ints x) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtsepi32_epi8(x)); }

  private:
    static __mmask16 first(int n) { return static_cast<__mmask16>((1U << n) - 1); }
    // In each 128 bits: lanes 0 and 2 hold sums of two lanes of a, lanes 1 and 3 of b.
    static Floats pair(Floats a, Floats b) {
        return _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    }
    // Of two such pairs, (a b a b) and (c d c d), to (a b c d).
    static Floats quad(Floats a, Floats b) {
        const __m512 low = _mm512_shuffle_ps(a, b, 0x44), high = _mm512_shuffle_ps(a, b, 0xee);
        return _mm512_add_ps(low, high);
    }
};

}  // namespace
}  // namespace weft::kernels
