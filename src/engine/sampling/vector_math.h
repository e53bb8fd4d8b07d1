#pragma once

// The few passes over a whole row of logits, written so that the compiler vectorises them. Each is compiled for several
// x86 levels and chosen at run time; all of them add in the same order (16 lanes, no fused multiply-add), so that a seed
// gives the same text whichever is chosen. NaN counts as "impossible", like -inf. Thread: any.

#include <cstddef>
#include <limits>
#include <span>

namespace weft {

inline constexpr float infinity = std::numeric_limits<float>::infinity();

// Largest value; -inf when every value is -inf or NaN or there is none.
[[nodiscard]] float max_of(std::span<const float> values);

// Index of the first value that equals `wanted`; values.size() when there is none.
[[nodiscard]] std::size_t first_equal(std::span<const float> values, float wanted);

// exp(x) for x <= 0 with a relative error below 5e-7; 0 for x < -87 and for NaN.
[[nodiscard]] float exp_of_negative(float x);

// out[i] = exp((values[i] - max) * scale). max: not less than any value, finite; scale > 0. Sizes are equal.
void exps(std::span<const float> values, float max, float scale, std::span<float> out);

// Sums of exp((values[i] - max) * scale) over consecutive blocks of exp_block values; the last may be shorter.
// sums holds exp_blocks(values.size()) values. Returns their total.
inline constexpr std::size_t exp_block = 1024;
[[nodiscard]] constexpr std::size_t exp_blocks(std::size_t n) { return (n + exp_block - 1) / exp_block; }
double exp_sums(std::span<const float> values, float max, float scale, std::span<float> sums);

// Maxima of interleaved groups: group g of a chunk of 1024 values holds those 64 whose index in the chunk is g modulo 16
// (a last, shorter chunk has 16 groups too). Tokens of neighbouring ids fall into different groups, and no step of it
// works across lanes. maxima holds group_count(values.size()) values. Returns the largest.
inline constexpr std::size_t group_lanes = 16;
inline constexpr std::size_t group_chunk = 1024;
[[nodiscard]] constexpr std::size_t group_count(std::size_t n) {
    return (n + group_chunk - 1) / group_chunk * group_lanes;
}
float group_maxima(std::span<const float> values, std::span<float> maxima);

}  // namespace weft
