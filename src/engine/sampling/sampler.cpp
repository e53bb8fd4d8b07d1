#include "engine/sampling/sampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "base/assert.h"
#include "engine/sampling/candidates.h"
#include "engine/sampling/vector_math.h"

namespace weft {
namespace {

constexpr float greedy_below = 1e-6F;
constexpr float force_at = 100;

// Room for one row of logits and for what is selected from it. Per thread, not per sequence: a vocabulary is large,
// sequences are many, and nothing in here outlives a call of sample().
struct Workspace {
    std::vector<float> logits;
    std::vector<float> masked;
    std::vector<float> numbers;
    Candidates candidates;
};

Workspace& workspace() {
    thread_local Workspace mine;
    return mine;
}

struct NamedValue {
    const char* field;
    float value;
};

Result<void> check_finite(const SamplingParams& params) {
    for (const auto& [field, value] : {NamedValue{"temperature", params.temperature}, NamedValue{"top_p", params.top_p},
                                       NamedValue{"min_p", params.min_p}, NamedValue{"typical_p", params.typical_p},
                                       NamedValue{"repeat_penalty", params.repeat_penalty},
                                       NamedValue{"presence_penalty", params.presence_penalty},
                                       NamedValue{"frequency_penalty", params.frequency_penalty}})
        if (!std::isfinite(value))
            return fail_field(ErrorCode::invalid_request, field, std::string(field) + " must be a finite number");
    return {};
}

Result<void> check_ranges(const SamplingParams& params) {
    const auto below = [](const char* field, const char* message) {
        return fail_field(ErrorCode::invalid_request, field, message, ErrorReason::below_minimum);
    };
    if (params.temperature < 0) return below("temperature", "temperature must be at least 0");
    if (params.repeat_penalty <= 0) return below("repeat_penalty", "repeat_penalty must be greater than 0");
    if (params.repeat_last_n < -1) return below("repeat_last_n", "repeat_last_n must be at least -1");
    return {};
}

Result<void> check_bias(const SamplingParams& params, std::uint32_t n_vocab) {
    for (const auto& [token, bias] : params.logit_bias) {
        if (token < 0 || static_cast<std::uint32_t>(token) >= n_vocab)
            return fail_field(ErrorCode::invalid_request, "logit_bias",
                              "logit_bias names token " + std::to_string(token) + ", which the model does not have");
        if (!std::isfinite(bias))
            return fail_field(ErrorCode::invalid_request, "logit_bias", "a logit_bias must be a finite number");
    }
    return {};
}

}  // namespace

Result<Sampler> Sampler::create(const SamplingParams& params, std::uint32_t n_vocab, std::uint64_t seed) {
    assert_that(n_vocab > 0, "a vocabulary has tokens");
    WEFT_CHECK(check_finite(params));
    WEFT_CHECK(check_ranges(params));
    WEFT_CHECK(check_bias(params, n_vocab));
    return Sampler(params, n_vocab, seed);
}

Sampler::Sampler(const SamplingParams& params, std::uint32_t n_vocab, std::uint64_t seed)
    : n_vocab_(n_vocab),
      greedy_(params.temperature < greedy_below || params.top_k == 1),
      temperature_(params.temperature),
      top_k_(static_cast<std::size_t>(std::max(params.top_k, 0))),
      top_p_(std::clamp(static_cast<double>(params.top_p), 0.0, 1.0)),
      min_p_(std::clamp(static_cast<double>(params.min_p), 0.0, 1.0)),
      typical_p_(std::clamp(static_cast<double>(params.typical_p), 0.0, 1.0)),
      penalties_(params),
      random_(seed) {
    if (top_k_ >= n_vocab) top_k_ = 0;
    for (const auto& bias : params.logit_bias) {
        if (bias.bias <= -force_at)
            banned_.push_back(bias.token);
        else
            (bias.bias >= force_at ? forced_ : bias_).push_back(bias);
    }
}

void Sampler::see_prompt(std::span<const Token> tokens) {
    for (const Token token : tokens)
        assert_that(token >= 0 && static_cast<std::uint32_t>(token) < n_vocab_, "a prompt token is in the vocabulary");
    penalties_.see_prompt(tokens);
}

void Sampler::accept(Token token) {
    assert_that(token >= 0 && static_cast<std::uint32_t>(token) < n_vocab_, "an accepted token is in the vocabulary");
    penalties_.see_generated(token);
}

Result<Token> Sampler::sample(std::span<const float> logits) {
    assert_that(logits.size() == n_vocab_, "a row of logits is as long as the vocabulary");
    return pick(adjusted(logits));
}

Result<Token> Sampler::sample(std::span<const float> logits, TokenFilter& filter) {
    constexpr std::size_t asked_at_once = 128;
    assert_that(logits.size() == n_vocab_, "a row of logits is as long as the vocabulary");
    const auto row = adjusted(logits);
    const auto first = pick(row);
    if (first && filter.allows(*first)) return first;
    auto& masked = workspace().masked;
    masked.assign(row.begin(), row.end());
    if (first) masked[static_cast<std::size_t>(*first)] = -infinity;
    auto& candidates = workspace().candidates;
    gather_top(masked, std::min(asked_at_once, masked.size()), candidates);
    bool some = false;
    for (const auto& candidate : candidates) {
        if (filter.allows(candidate.token)) some = true;
        else masked[static_cast<std::size_t>(candidate.token)] = -infinity;
    }
    // Where none of them is allowed, hardly any other one is: a draw would be in vain.
    const auto second = some ? pick(masked) : Result<Token>(std::unexpected(Error{}));
    if (second && filter.allows(*second)) return second;
    filter.keep_allowed(masked);
    return pick(masked);
}

Result<Token> Sampler::pick(std::span<const float> logits) {
    const float max = max_of(logits);
    if (max == -infinity) return fail(ErrorCode::engine_failed, "the model left no possible token");
    if (greedy_ || max == infinity) return static_cast<Token>(first_equal(logits, max));
    const bool filtered = top_k_ > 0 || typical_p_ < 1 || top_p_ < 1 || min_p_ > 0;
    return filtered ? sample_filtered(logits, max) : sample_all(logits, max);
}

std::span<const float> Sampler::adjusted(std::span<const float> logits) const {
    if (bias_.empty() && banned_.empty() && forced_.empty() && !penalties_.active()) return logits;
    auto& copy = workspace().logits;
    copy.assign(logits.begin(), logits.end());
    apply_bias(copy);
    penalties_.apply(copy);
    return copy;
}

void Sampler::apply_bias(std::span<float> logits) const {
    if (!forced_.empty()) {
        std::vector<std::pair<Token, float>> kept;
        for (const auto& [token, bias] : forced_) kept.emplace_back(token, logits[static_cast<std::size_t>(token)] + bias);
        std::ranges::fill(logits, -infinity);
        for (const auto& [token, logit] : kept) logits[static_cast<std::size_t>(token)] = logit;
    }
    for (const auto& [token, bias] : bias_) logits[static_cast<std::size_t>(token)] += bias;
    for (const Token token : banned_) logits[static_cast<std::size_t>(token)] = -infinity;
}

Token Sampler::sample_filtered(std::span<const float> logits, float max) {
    auto& candidates = workspace().candidates;
    bool nucleus_done = false;
    if (top_k_ > 0) {
        gather_top(logits, top_k_, candidates);
    } else if (typical_p_ < 1) {
        gather_all(logits, candidates);
    } else if (top_p_ < 1) {
        gather_nucleus(logits, max, candidates);
        nucleus_done = true;
    } else {
        gather_at_least(logits, max + static_cast<float>(std::log(min_p_)), candidates);
    }
    if (typical_p_ < 1) {
        weigh(candidates, max);
        keep_typical(candidates, typical_p_);
    }
    if (top_p_ < 1 && !nucleus_done) keep_most_likely(candidates, top_p_ * weigh(candidates, max));
    if (min_p_ > 0) keep_min_p(candidates, min_p_);
    return draw(candidates, temperature_, random_);
}

// top_p over the whole vocabulary. Nearly always a few hundred tokens hold the mass; if not, all of them compete.
void Sampler::gather_nucleus(std::span<const float> logits, float max, Candidates& out) const {
    constexpr std::size_t usually_enough = 256;
    auto& sums = workspace().numbers;
    sums.resize(exp_blocks(logits.size()));
    const double mass = top_p_ * exp_sums(logits, max, 1, sums);
    gather_top(logits, usually_enough, out);
    if (weigh(out, max) >= mass) return keep_most_likely(out, mass);
    gather_all(logits, out);
    keep_most_likely(out, top_p_ * weigh(out, max));
}

// Temperature only: one pass for the sums of blocks, then one over the block that the random number falls into.
Token Sampler::sample_all(std::span<const float> logits, float max) {
    const float scale = 1 / temperature_;
    auto& sums = workspace().numbers;
    sums.resize(exp_blocks(logits.size()));
    double left = random_.uniform() * exp_sums(logits, max, scale, sums);
    // Rounding can carry the search past the end: then it is the last block, and in it the last token, with any weight.
    std::size_t block = 0;
    std::size_t last_possible = 0;
    for (; block < sums.size(); ++block) {
        if (sums[block] > 0) last_possible = block;
        if (left < static_cast<double>(sums[block])) break;
        left -= static_cast<double>(sums[block]);
    }
    const std::size_t first = (block < sums.size() ? block : last_possible) * exp_block;
    const auto values = logits.subspan(first, std::min(exp_block, logits.size() - first));
    std::array<float, exp_block> weights;
    exps(values, max, scale, std::span(weights).first(values.size()));
    std::size_t chosen = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!(weights[i] > 0)) continue;
        chosen = i;
        left -= static_cast<double>(weights[i]);
        if (left < 0) break;
    }
    return static_cast<Token>(first + chosen);
}

}  // namespace weft
