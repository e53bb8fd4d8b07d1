#include "engine/sampling/logprobs.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/assert.h"
#include "engine/sampling/candidates.h"
#include "engine/sampling/vector_math.h"

namespace weft {
namespace {


// Turns logits of one row into logprobs.
class LogSoftmax {
  public:
    explicit LogSoftmax(std::span<const float> logits) : max_(max_of(logits)) {
        if (max_ == infinity) log_total_ = std::log(static_cast<double>(std::ranges::count(logits, infinity)));
        if (!std::isfinite(max_)) return;
        thread_local std::vector<float> sums;
        sums.resize(exp_blocks(logits.size()));
        log_total_ = std::log(exp_sums(logits, max_, 1, sums));
    }

    [[nodiscard]] float operator()(float logit) const {
        if (max_ == infinity) return logit == infinity ? static_cast<float>(-log_total_) : impossible_logprob;
        if (!(logit > -infinity)) return impossible_logprob;
        const double logprob = static_cast<double>(logit) - static_cast<double>(max_) - log_total_;
        return std::max(static_cast<float>(std::min(logprob, 0.0)), impossible_logprob);
    }

  private:
    float max_;
    double log_total_ = 0;
};

void fill_up(std::span<const float> logits, std::size_t n_top, std::vector<ScoredToken>& top) {
    for (std::size_t i = 0; i < logits.size() && top.size() < n_top; ++i)
        if (!(logits[i] > -infinity)) top.push_back({static_cast<Token>(i), impossible_logprob});
}

}  // namespace

TokenScores score(std::span<const float> logits, Token chosen, std::size_t n_top) {
    assert_that(chosen >= 0 && static_cast<std::size_t>(chosen) < logits.size(), "a scored token is in the vocabulary");
    const LogSoftmax log_softmax(logits);
    TokenScores scores{.chosen = log_softmax(logits[static_cast<std::size_t>(chosen)])};
    if (n_top == 0) return scores;
    thread_local Candidates best;
    gather_top(logits, n_top, best);
    std::ranges::sort(best, more_likely);
    for (const auto& candidate : best) scores.top.push_back({candidate.token, log_softmax(candidate.logit)});
    fill_up(logits, n_top, scores.top);
    return scores;
}

}  // namespace weft
