#include "engine/sampling/vector_math.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>

// The sanitizers' run time is not up yet when the loader chooses between clones.
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define WEFT_VECTORISED \
    __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), optimize("O3"), noinline))
#else
#define WEFT_VECTORISED
#endif
#define WEFT_ALWAYS_INLINE inline __attribute__((always_inline))

namespace weft {
namespace {

constexpr std::size_t wide = 64;  // values taken at once: four AVX-512 registers, enough to hide an operation's latency

// False for NaN, so NaN never becomes a maximum.
WEFT_ALWAYS_INLINE float larger(float value, float so_far) { return value > so_far ? value : so_far; }

// exp(x) = 2^n * exp(r) with n the whole number nearest to x / ln 2, so |r| <= ln(2) / 2, where six terms of the
// Taylor series leave a relative error of 1.2e-7.
WEFT_ALWAYS_INLINE float exp_kernel(float x) {
    constexpr float round_to_whole = 0x1.8p23F;  // adding it pushes the fraction out of the mantissa
    constexpr float ln2_high = 0x1.62ep-1F;      // few enough bits that n * ln2_high is exact
    constexpr float ln2_low = 0x1.0bfbe8p-15F;
    const float shifted = x * 0x1.715476p0F + round_to_whole;
    const float n = shifted - round_to_whole;
    const float r = (x - n * ln2_high) - n * ln2_low;
    float series = 1.0F / 720;
    series = series * r + 1.0F / 120;
    series = series * r + 1.0F / 24;
    series = series * r + 1.0F / 6;
    series = series * r + 0.5F;
    series = series * r + 1.0F;
    series = series * r + 1.0F;
    // The low bits of `shifted` hold n; moving them into the exponent of `series` multiplies by 2^n.
    const auto exponent = static_cast<std::uint32_t>(std::bit_cast<std::uint32_t>(shifted)) << 23U;
    const float scaled = std::bit_cast<float>(std::bit_cast<std::uint32_t>(series) + exponent);
    return x >= -87.0F ? scaled : 0.0F;
}

using Lanes = std::array<float, wide>;

// Largest of each of the 64 columns of a chunk of 1024.
WEFT_ALWAYS_INLINE void column_maxima(const float* chunk, float* columns) {
    for (std::size_t i = 0; i < wide; ++i) columns[i] = larger(chunk[i], -infinity);
    for (std::size_t row = wide; row < group_chunk; row += wide)
        for (std::size_t i = 0; i < wide; ++i) columns[i] = larger(chunk[row + i], columns[i]);
}

WEFT_ALWAYS_INLINE float exp_sum_of_block(const float* block, float max, float scale) {
    std::array<float, group_lanes> lanes{};
    for (std::size_t row = 0; row < exp_block; row += group_lanes)
        for (std::size_t i = 0; i < group_lanes; ++i) lanes[i] += exp_kernel((block[row + i] - max) * scale);
    for (std::size_t half = group_lanes / 2; half > 0; half /= 2)
        for (std::size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    return lanes[0];
}

WEFT_VECTORISED void maxima_of_chunks(const float* values, std::size_t n_chunks, float* maxima) {
    for (std::size_t chunk = 0; chunk < n_chunks; ++chunk) {
        alignas(64) Lanes columns;
        column_maxima(values + chunk * group_chunk, columns.data());
        for (std::size_t i = 0; i < 2 * group_lanes; ++i) columns[i] = larger(columns[i], columns[i + 2 * group_lanes]);
        for (std::size_t i = 0; i < group_lanes; ++i)
            maxima[chunk * group_lanes + i] = larger(columns[i], columns[i + group_lanes]);
    }
}

WEFT_VECTORISED void sums_of_blocks(const float* values, std::size_t n_blocks, float max, float scale, float* sums) {
    for (std::size_t block = 0; block < n_blocks; ++block)
        sums[block] = exp_sum_of_block(values + block * exp_block, max, scale);
}

WEFT_VECTORISED void exps_of(const float* values, std::size_t n, float max, float scale, float* out) {
    for (std::size_t i = 0; i < n; ++i) out[i] = exp_kernel((values[i] - max) * scale);
}

WEFT_VECTORISED std::size_t first_chunk_with(const float* values, std::size_t n_chunks, float wanted) {
    for (std::size_t chunk = 0; chunk < n_chunks; ++chunk) {
        std::uint32_t found = 0;
        for (std::size_t i = 0; i < group_chunk; ++i) found |= values[chunk * group_chunk + i] == wanted ? 1U : 0U;
        if (found != 0) return chunk;
    }
    return n_chunks;
}

// The values after the last whole chunk, filled up with -inf: to every pass here that is as if they were not there.
std::array<float, group_chunk> padded_rest(std::span<const float> values) {
    static_assert(group_chunk == exp_block);
    std::array<float, group_chunk> rest;
    const auto tail = values.last(values.size() % group_chunk);
    std::fill(std::copy(tail.begin(), tail.end(), rest.begin()), rest.end(), -infinity);
    return rest;
}

}  // namespace

float max_of(std::span<const float> values) {
    float max = -infinity;
    std::array<float, 16 * group_lanes> maxima;
    for (std::size_t at = 0; at < values.size(); at += 16 * group_chunk) {
        const auto part = values.subspan(at, std::min(16 * group_chunk, values.size() - at));
        max = larger(group_maxima(part, std::span(maxima).first(group_count(part.size()))), max);
    }
    return max;
}

std::size_t first_equal(std::span<const float> values, float wanted) {
    const std::size_t from = first_chunk_with(values.data(), values.size() / group_chunk, wanted) * group_chunk;
    return static_cast<std::size_t>(std::ranges::find(values.subspan(from), wanted) - values.begin());
}

float exp_of_negative(float x) { return exp_kernel(x); }

void exps(std::span<const float> values, float max, float scale, std::span<float> out) {
    exps_of(values.data(), values.size(), max, scale, out.data());
}

double exp_sums(std::span<const float> values, float max, float scale, std::span<float> sums) {
    const std::size_t whole = values.size() / exp_block;
    sums_of_blocks(values.data(), whole, max, scale, sums.data());
    if (values.size() % exp_block != 0) {
        const auto rest = padded_rest(values);
        sums_of_blocks(rest.data(), 1, max, scale, sums.data() + whole);
    }
    double total = 0;
    for (const float sum : sums) total += static_cast<double>(sum);
    return total;
}

float group_maxima(std::span<const float> values, std::span<float> maxima) {
    const std::size_t whole = values.size() / group_chunk;
    maxima_of_chunks(values.data(), whole, maxima.data());
    if (values.size() % group_chunk != 0) {
        const auto rest = padded_rest(values);
        maxima_of_chunks(rest.data(), 1, maxima.data() + whole * group_lanes);
    }
    float max = -infinity;
    for (const float value : maxima) max = larger(value, max);
    return max;
}

}  // namespace weft
