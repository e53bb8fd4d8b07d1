#include "engine/sampling/penalties.h"

namespace weft {

Penalties::Penalties(const SamplingParams& params)
    : active_(params.repeat_penalty != 1 || params.presence_penalty != 0 || params.frequency_penalty != 0),
      penalize_prompt_(params.penalize_prompt),
      unlimited_(params.repeat_last_n < 0),
      window_tokens_(unlimited_ ? 0 : static_cast<std::size_t>(params.repeat_last_n)),
      repeat_(params.repeat_penalty),
      presence_(params.presence_penalty),
      frequency_(params.frequency_penalty) {}

void Penalties::see_prompt(std::span<const Token> tokens) {
    if (!active_) return;
    if (!unlimited_ && tokens.size() > window_tokens_) tokens = tokens.last(window_tokens_);
    for (const Token token : tokens) enter_window(token);
}

void Penalties::see_generated(Token token) {
    if (!active_) return;
    if (!penalize_prompt_) ++entry(token).generated;
    enter_window(token);
}

void Penalties::apply(std::span<float> logits) const {
    if (!active_) return;
    for (const Seen& seen : seen_) {
        float& logit = logits[static_cast<std::size_t>(seen.token)];
        if (seen.in_window > 0) logit = logit > 0 ? logit / repeat_ : logit * repeat_;
        const std::uint32_t occurrences = penalize_prompt_ ? seen.in_window : seen.generated;
        if (occurrences > 0) logit -= presence_ + frequency_ * static_cast<float>(occurrences);
    }
}

Penalties::Seen& Penalties::entry(Token token) {
    const auto [place, is_new] = index_.try_emplace(token, static_cast<std::uint32_t>(seen_.size()));
    if (is_new) seen_.push_back({.token = token});
    return seen_[place->second];
}

void Penalties::enter_window(Token token) {
    if (!unlimited_ && window_tokens_ == 0) return;
    ++entry(token).in_window;
    if (unlimited_) return;
    window_.push_back(token);
    if (window_.size() <= window_tokens_) return;
    const Token oldest = window_.front();
    window_.pop_front();
    --entry(oldest).in_window;
    forget_if_unused(oldest);
}

void Penalties::forget_if_unused(Token token) {
    const auto place = index_.find(token);
    const std::uint32_t at = place->second;
    if (seen_[at].in_window > 0 || seen_[at].generated > 0) return;
    index_[seen_.back().token] = at;
    seen_[at] = seen_.back();
    seen_.pop_back();
    index_.erase(token);
}

}  // namespace weft
