#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace weft {

// How often a value fell into which bucket, since counting began. counts[i]: values <= bounds[i] and beyond
// bounds[i - 1]; the last one: beyond all bounds.
struct Histogram {
    std::vector<std::uint64_t> counts{};
    double sum = 0;

    void observe(std::span<const double> bounds, double value, std::uint64_t times = 1) {
        counts.resize(bounds.size() + 1);
        counts[static_cast<std::size_t>(std::ranges::lower_bound(bounds, value) - bounds.begin())] += times;
        sum += value * static_cast<double>(times);
    }
};

// Bounds of the buckets. Seconds from a fast token to a long answer, and powers of two for numbers of tokens and rows.
inline constexpr std::array<double, 19> seconds_bounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25,
                                                       0.5,   0.75,   1,     2.5,  5,     10,   30,    60,  120};
inline constexpr std::array<double, 17> tokens_bounds{1,   2,    4,    8,    16,   32,    64,    128,  256,
                                                      512, 1024, 2048, 4096, 8192, 16384, 32768, 65536};

}  // namespace weft
