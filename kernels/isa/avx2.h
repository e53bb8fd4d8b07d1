// Sixteen numbers in two ymm registers: the words of Avx512 for processors without it. Vnni: with AVX-VNNI's vpdpbusd.
// Only for files that are compiled for AVX2, FMA and F16C.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace weft::kernels {
namespace {

struct Ymm2 {
    __m256 a, b;
};
struct Ymm2i {
    __m256i a, b;
};

template <bool Vnni>
struct Avx2 {
    using Floats = Ymm2;
    using Ints = Ymm2i;
    using Bytes = Ymm2i;
    using Words = Ymm2i;
    static constexpr int registers = 16;

    static Floats zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
    static Floats splat(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
    static Floats load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
    static void store(float* p, Floats x) {
        _mm256_storeu_ps(p, x.a);
        _mm256_storeu_ps(p + 8, x.b);
    }
    static Floats load_first(const float* p, int n) {
        alignas(32) float x[16] = {};
        std::memcpy(x, p, sizeof(float) * static_cast<unsigned>(n));
        return load(x);
    }
    static void store_first(float* p, int n, Floats x) {
        alignas(32) float all[16];
        store(all, x);
        std::memcpy(p, all, sizeof(float) * static_cast<unsigned>(n));
    }
    static void store_half(void* p, Floats x) {
        auto* to = static_cast<__m128i*>(p);
        constexpr int nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        _mm_storeu_si128(to, _mm256_cvtps_ph(x.a, nearest));
        _mm_storeu_si128(to + 1, _mm256_cvtps_ph(x.b, nearest));
    }
    static Floats load_half(const void* p) {
        const auto* from = static_cast<const __m128i*>(p);
        return {_mm256_cvtph_ps(_mm_loadu_si128(from)), _mm256_cvtph_ps(_mm_loadu_si128(from + 1))};
    }
    static Floats load_int8(const void* p) {
        const __m128i x = _mm_loadu_si128(static_cast<const __m128i*>(p));
        return to_floats({_mm256_cvtepi8_epi32(x), _mm256_cvtepi8_epi32(_mm_srli_si128(x, 8))});
    }
    static void load_bf16_pairs(const void* p, Floats& first, Floats& second) {
        const Bytes pairs = load_bytes(p);
        const __m256i upper = _mm256_set1_epi32(static_cast<int>(0xffff0000));
        first = {_mm256_castsi256_ps(_mm256_slli_epi32(pairs.a, 16)), _mm256_castsi256_ps(_mm256_slli_epi32(pairs.b, 16))};
        second = {_mm256_castsi256_ps(_mm256_and_si256(pairs.a, upper)), _mm256_castsi256_ps(_mm256_and_si256(pairs.b, upper))};
    }
    static Floats add(Floats x, Floats y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
    static Floats sub(Floats x, Floats y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
    static Floats mul(Floats x, Floats y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
    static Floats div(Floats x, Floats y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
    static Floats min(Floats x, Floats y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
    static Floats max(Floats x, Floats y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
    static Floats fma(Floats x, Floats y, Floats z) { return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)}; }
    static Floats round(Floats x) {
        constexpr int nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        return {_mm256_round_ps(x.a, nearest), _mm256_round_ps(x.b, nearest)};
    }
    static Floats scale_or_zero(Floats x, Floats whole, Floats from, float least) {
        return {scaled(x.a, whole.a, from.a, least), scaled(x.b, whole.b, from.b, least)};
    }
    static Floats swap_pairs(Floats x) { return {_mm256_permute_ps(x.a, 0xb1), _mm256_permute_ps(x.b, 0xb1)}; }
    static float highest(Floats x) {
        const __m256 m = _mm256_max_ps(x.a, x.b);
        __m128 h = _mm_max_ps(_mm256_castps256_ps128(m), _mm256_extractf128_ps(m, 1));
        h = _mm_max_ps(h, _mm_movehl_ps(h, h));
        return _mm_cvtss_f32(_mm_max_ss(h, _mm_movehdup_ps(h)));
    }
    static float sum(Floats x) {
        const __m256 m = _mm256_add_ps(x.a, x.b);
        __m128 h = _mm_add_ps(_mm256_castps256_ps128(m), _mm256_extractf128_ps(m, 1));
        h = _mm_add_ps(h, _mm_movehl_ps(h, h));
        return _mm_cvtss_f32(_mm_add_ss(h, _mm_movehdup_ps(h)));
    }
    // Lane i of the result is the sum of the lanes of x[i].
    static Floats sums(const Floats (&x)[16]) {
        __m256 s[16];
        for (int i = 0; i < 16; ++i) s[i] = _mm256_add_ps(x[i].a, x[i].b);
        return {sums8(s), sums8(s + 8)};
    }

    static int64_t visible32(const uint16_t* mask, uint32_t here, int32_t first, int32_t* cells, float* values) {
        int64_t n = 0;
        for (uint32_t seen = seen32(mask, here); seen != 0; seen &= seen - 1) {
            const int i = __builtin_ctz(seen);
            cells[n] = first + i;
            values[n++] = _cvtsh_ss(mask[i]);
        }
        return n;
    }
    static uint32_t seen32(const uint16_t* mask, uint32_t here) {
        if (here == ~uint32_t(0)) {
            const __m256i hidden = _mm256_set1_epi16(static_cast<short>(0xfc00));
            const auto* from = reinterpret_cast<const __m256i*>(mask);
            const __m256i a = _mm256_cmpeq_epi16(_mm256_loadu_si256(from), hidden);
            const __m256i b = _mm256_cmpeq_epi16(_mm256_loadu_si256(from + 1), hidden);
            const __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi16(a, b), 0xd8);
            return ~static_cast<uint32_t>(_mm256_movemask_epi8(packed));
        }
        uint32_t seen = 0;
        for (int i = 0; i < 32 && (here >> i & 1) != 0; ++i) seen |= uint32_t(mask[i] != 0xfc00) << i;
        return seen;
    }

    // --- integers ---
    static Ints no_ints() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
    static Ints splat_int(const void* p) {
        const __m256i x = splat_ymm(p);
        return {x, x};
    }
    static Floats splat_float(const void* p) {
        const __m256 x = _mm256_castsi256_ps(splat_ymm(p));
        return {x, x};
    }
    static Floats to_floats(Ints x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
    static Floats load_uint8(const void* p) { return to_floats(widened(p)); }
    static Floats load_exponents(const void* p) {
        const Ints e = widened(p);
        const auto shifted = [](__m256i x) {
            const __m256i less = _mm256_max_epi32(_mm256_sub_epi32(x, _mm256_set1_epi32(1)), _mm256_setzero_si256());
            return _mm256_castsi256_ps(_mm256_slli_epi32(less, 23));
        };
        return {shifted(e.a), shifted(e.b)};
    }
    static Words load_pairs(const void* p) {
        const auto* from = static_cast<const __m128i*>(p);
        return {_mm256_cvtepu8_epi16(_mm_loadu_si128(from)), _mm256_cvtepu8_epi16(_mm_loadu_si128(from + 1))};
    }
    static Ints dot_pairs(Ints sum, Words w, const void* p) {
        const __m256i x = splat_ymm(p);
        return {_mm256_add_epi32(sum.a, _mm256_madd_epi16(w.a, x)), _mm256_add_epi32(sum.b, _mm256_madd_epi16(w.b, x))};
    }

    // --- codes ---
    // vpmaddubsw adds two products in 16 bits: 2 * 127 * 129 fits. Larger codes have an offset of 128 and are multiplied
    // as signed numbers, without it.
    static constexpr bool keeps_offset(int largest) { return Vnni || largest <= 129; }
    // Of how many groups the sums of products fit into 16 bits, a power of two. 0: they are not summed there, dot() does it.
    static constexpr int groups_in_words(int largest) {
        if (Vnni || !keeps_offset(largest)) return 0;
        int groups = 8;
        while (groups * 2 * 127 * largest > 32767) groups /= 2;
        return groups;
    }
    static Bytes load_bytes(const void* p) {
        const auto* from = static_cast<const __m256i*>(p);
        return {_mm256_load_si256(from), _mm256_load_si256(from + 1)};
    }
    static Bytes splat_byte(int x) {
        const __m256i all = _mm256_set1_epi8(static_cast<char>(x));
        return {all, all};
    }
    static Bytes both(Bytes x, Bytes y) { return {_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b)}; }
    static Bytes either(Bytes x, Bytes y) { return {_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b)}; }
    static Bytes left(Bytes x, int bits) { return {_mm256_slli_epi16(x.a, bits), _mm256_slli_epi16(x.b, bits)}; }
    static Bytes right(Bytes x, int bits) { return {_mm256_srli_epi16(x.a, bits), _mm256_srli_epi16(x.b, bits)}; }
    static Bytes lookup(const uint8_t* table, Bytes codes) {
        const __m256i both = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(table)));
        return {_mm256_shuffle_epi8(both, codes.a), _mm256_shuffle_epi8(both, codes.b)};
    }
    static void dot(Ints& sum, Bytes w, const uint8_t* p) {
        const __m256i x = splat_ymm(p);
        sum = in_turn({dot_ymm(sum.a, w.a, x), dot_ymm(sum.b, w.b, x)});
    }
    // Sums of two products each, in 16 bits.
    static Words pair_products(Bytes w, const uint8_t* p) {
        const __m256i x = splat_ymm(p);
        return {_mm256_maddubs_epi16(w.a, x), _mm256_maddubs_epi16(w.b, x)};
    }
    static Words add_words(Words x, Words y) { return in_turn({_mm256_add_epi16(x.a, y.a), _mm256_add_epi16(x.b, y.b)}); }
    static Ints add_pairs(Ints sum, Words words) {
        const __m256i ones = _mm256_set1_epi16(1);
        return in_turn({_mm256_add_epi32(sum.a, _mm256_madd_epi16(words.a, ones)), _mm256_add_epi32(sum.b, _mm256_madd_epi16(words.b, ones))});
    }

    // --- quantising ---
    static Floats magnitude(Floats x) {
        const __m256 sign = _mm256_set1_ps(-0.0f);
        return {_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
    }
    static Ints to_ints(Floats x) { return {_mm256_cvttps_epi32(x.a), _mm256_cvttps_epi32(x.b)}; }
    static void store_int8(int8_t* p, Ints x) {
        const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(x.a, x.b), 0xd8);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                         _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
    }

  private:
    // GCC would compute the products of all groups before it adds the first two, and keep them in memory.
    static Ymm2i in_turn(Ymm2i x) {
        if constexpr (!Vnni) asm volatile("" : "+x"(x.a), "+x"(x.b));
        return x;
    }
    static __m256i splat_ymm(const void* p) {
        int32_t x;
        std::memcpy(&x, p, 4);
        return _mm256_set1_epi32(x);
    }
    static Ints widened(const void* p) {
        const __m128i x = _mm_loadu_si128(static_cast<const __m128i*>(p));
        return {_mm256_cvtepu8_epi32(x), _mm256_cvtepu8_epi32(_mm_srli_si128(x, 8))};
    }
    // x * 2^whole for whole from -126 to 127.
    static __m256 scaled(__m256 x, __m256 whole, __m256 from, float least) {
        const __m256i power = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(whole), _mm256_set1_epi32(127)), 23);
        const __m256 product = _mm256_mul_ps(x, _mm256_castsi256_ps(power));
        return _mm256_and_ps(product, _mm256_cmp_ps(from, _mm256_set1_ps(least), _CMP_NLT_UQ));
    }
    static __m256 sums8(const __m256* s) {
        __m256 quads[2];
        for (int i = 0; i < 2; ++i)
            quads[i] = _mm256_hadd_ps(_mm256_hadd_ps(s[4 * i], s[4 * i + 1]), _mm256_hadd_ps(s[4 * i + 2], s[4 * i + 3]));
        return _mm256_add_ps(_mm256_permute2f128_ps(quads[0], quads[1], 0x20), _mm256_permute2f128_ps(quads[0], quads[1], 0x31));
    }
    static __m256i dot_ymm(__m256i sum, __m256i w, __m256i x) {
        if constexpr (Vnni) {
            return _mm256_dpbusd_avx_epi32(sum, w, x);
        } else {
            const __m256i as_signed = _mm256_xor_si256(w, _mm256_set1_epi8(-128));
            const __m256i products = _mm256_maddubs_epi16(_mm256_abs_epi8(as_signed), _mm256_sign_epi8(x, as_signed));
            return _mm256_add_epi32(sum, _mm256_madd_epi16(products, _mm256_set1_epi16(1)));
        }
    }
};

}  // namespace
}  // namespace weft::kernels
