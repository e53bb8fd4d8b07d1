#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "runner/generation.h"

namespace weft {

inline constexpr float impossible_logprob = -9999.0F;

struct ScoredToken {
    Token token;
    float logprob;
};

struct TokenScores {
    float chosen = impossible_logprob;
    std::vector<ScoredToken> top;  // the n most likely, descending, ties by the smaller token
};

// Log softmax of the raw logits, as the model gave them: before bias, penalties, filters and temperature. NaN and -inf
// are impossible; `top` is filled up with such tokens when too few are possible, and is shorter than n_top only when
// the vocabulary is. If there are +inf, they share the probability. chosen is in [0, logits.size()). Thread: any.
[[nodiscard]] TokenScores score(std::span<const float> logits, Token chosen, std::size_t n_top);

}  // namespace weft
