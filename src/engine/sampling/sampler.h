#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "engine/sampling/candidates.h"
#include "engine/sampling/penalties.h"
#include "engine/sampling/random.h"
#include "runner/generation.h"

namespace weft {

// What the next token may be, asked while it is sampled.
class TokenFilter {
  public:
    virtual ~TokenFilter() = default;
    [[nodiscard]] virtual bool allows(Token token) = 0;
    // Sets the logits of all others to -infinity: for when asking one by one takes too long.
    virtual void keep_allowed(std::span<float> logits) = 0;
};

// Chooses the tokens of one sequence. One call of sample() and one of accept() per decode step:
//
//     WEFT_TRY(auto sampler, Sampler::create(request.sampling, n_vocab, seed));
//     sampler.see_prompt(prompt_tokens);
//     WEFT_TRY(const Token token, sampler.sample(logits));   // each step
//     sampler.accept(token);
//
// Order: logit_bias, penalties, top_k, typical_p, top_p, min_p, temperature. The filters see the distribution before
// temperature, each that of what the one before it left over. Equal seeds, parameters and logits give equal tokens on
// every platform. Thread: any, one at a time; threads share nothing.
class Sampler {
  public:
    // `seed` is used as it is; params.seed is not looked at, because the choices of one request need different ones.
    // invalid_request, with the field: NaN or infinite values, a temperature below 0, repeat_penalty <= 0,
    // repeat_last_n < -1, a bias for a token outside the vocabulary. Values beyond the useful range of a filter mean
    // its nearest end. A temperature below 1e-6 is greedy.
    [[nodiscard]] static Result<Sampler> create(const SamplingParams& params, std::uint32_t n_vocab,
                                                std::uint64_t seed);

    // The prompt's tokens, in order, before the first sample(). Only the penalties look at them.
    void see_prompt(std::span<const Token> tokens);
    // The token that the sequence goes on with: usually what sample() returned.
    void accept(Token token);

    // logits: [n_vocab], only read. NaN counts as -inf; a +inf is certain (the first one is taken). Greedy takes the
    // first of several largest. engine_failed when no token is possible.
    [[nodiscard]] Result<Token> sample(std::span<const float> logits);

    // The same among the tokens that the filter allows. The token that would be sampled without it is asked for first,
    // then the most likely ones, then all: a model that keeps to the form anyway pays for one question.
    [[nodiscard]] Result<Token> sample(std::span<const float> logits, TokenFilter& filter);

  private:
    Sampler(const SamplingParams& params, std::uint32_t n_vocab, std::uint64_t seed);

    [[nodiscard]] std::span<const float> adjusted(std::span<const float> logits) const;
    void apply_bias(std::span<float> logits) const;
    void gather_nucleus(std::span<const float> logits, float max, Candidates& out) const;
    [[nodiscard]] Result<Token> pick(std::span<const float> adjusted);
    [[nodiscard]] Token sample_filtered(std::span<const float> logits, float max);
    [[nodiscard]] Token sample_all(std::span<const float> logits, float max);

    std::uint32_t n_vocab_;
    bool greedy_;
    float temperature_;
    std::size_t top_k_;  // 0 = off
    double top_p_;       // 0..1, 1 = off
    double min_p_;       // 0..1, 0 = off
    double typical_p_;   // 0..1, 1 = off
    std::vector<LogitBias> bias_;     // neither bans nor forces ...
    std::vector<Token> banned_;       // ... bias <= -100
    std::vector<LogitBias> forced_;   // ... bias >= 100: if there are any, nothing else is possible
    Penalties penalties_;
    Random random_;
};

}  // namespace weft
