#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <span>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "engine/sampling/random.h"
#include "engine/sampling/sampler.h"

namespace weft::test {

inline constexpr float infinity = std::numeric_limits<float>::infinity();
inline constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

// Normally distributed logits, as those of a model roughly are. spread: standard deviation.
inline std::vector<float> random_logits(std::size_t n, float spread, std::uint64_t seed) {
    Random random(seed);
    std::vector<float> logits(n);
    for (auto& logit : logits) {
        const double radius = std::sqrt(-2 * std::log(1 - random.uniform()));
        logit = static_cast<float>(radius * std::cos(2 * std::numbers::pi * random.uniform())) * spread;
    }
    return logits;
}

inline Sampler sampler(const SamplingParams& params, std::size_t n_vocab, std::uint64_t seed = 1) {
    auto made = Sampler::create(params, static_cast<std::uint32_t>(n_vocab), seed);
    REQUIRE(made.has_value());
    return *std::move(made);
}

inline Token sample_once(const SamplingParams& params, std::span<const float> logits, std::uint64_t seed = 1) {
    const auto token = sampler(params, logits.size(), seed).sample(logits);
    REQUIRE(token.has_value());
    return *token;
}

}  // namespace weft::test
