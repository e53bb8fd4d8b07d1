#include "scheduler/sequence.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "engine/sampling/logprobs.h"

namespace weft {
namespace {

std::uint64_t fresh_seed() {
    std::random_device device;
    return (static_cast<std::uint64_t>(device()) << 32U) | device();
}

// The choices of one request must differ although they share its seed.
std::uint64_t seed_of(const SamplingParams& sampling, std::uint32_t choice) {
    const std::uint64_t seed = sampling.seed ? *sampling.seed : fresh_seed();
    return seed + (static_cast<std::uint64_t>(choice) << 32U);
}

TokenLogprob told(std::span<const float> logits, Token token, std::uint32_t n_top, const Vocabulary& vocabulary) {
    const auto scores = score(logits, token, n_top);
    TokenLogprob logprob{.chosen = {.token = token, .logprob = scores.chosen, .bytes = std::string(vocabulary.bytes_of(token))},
                         .top = {}};
    for (const auto& other : scores.top)
        logprob.top.push_back({.token = other.token, .logprob = other.logprob, .bytes = std::string(vocabulary.bytes_of(other.token))});
    return logprob;
}

}  // namespace

Result<std::unique_ptr<Sequence>> Sequence::create(std::shared_ptr<RequestState> request, std::uint32_t choice,
                                                   std::uint64_t arrival, const Vocabulary& vocabulary) {
    const auto& sampling = request->request().sampling;
    WEFT_TRY(auto sampler, Sampler::create(sampling, static_cast<std::uint32_t>(vocabulary.size()), seed_of(sampling, choice)));
    sampler.see_prompt(words_of(request->prepared->prompt));
    return std::unique_ptr<Sequence>(new Sequence(std::move(request), choice, arrival, std::move(sampler)));
}

Sequence::Sequence(std::shared_ptr<RequestState> r, std::uint32_t c, std::uint64_t a, Sampler sampler)
    : tokens(r->prepared->prompt),
      arrival(a),
      choice(c),
      request(std::move(r)),
      sampler_(std::move(sampler)),
      stops_(request->request().stop),
      thinking_(!request->prepared->reply_format.thinks() ? Thinking::over
                : request->prepared->thinking_open        ? Thinking::inside
                                                          : Thinking::undecided) {
    piece_.choice = choice;
}

// The guard is made here and not with the sequence: on the pool, beside the step thread.
Result<Token> Sequence::next_token(std::span<const float> logits, const Vocabulary& vocabulary) {
    const auto& prepared = *request->prepared;
    if (generated_ == 0 && !guard_ && (prepared.constraint || prepared.request.thinking_budget))
        guard_ = std::make_unique<AnswerGuard>(AnswerGuard::Rules{.constraint = prepared.constraint,
                                                                  .format = prepared.reply_format,
                                                                  .thinking_open = prepared.thinking_open,
                                                                  .may_think = prepared.may_think,
                                                                  .thinking_budget = prepared.request.thinking_budget,
                                                                  .closing = prepared.thinking_closing,
                                                                  .ignore_end = prepared.request.ignore_eos},
                                               vocabulary);
    return guard_ ? guard_->choose(sampler_, logits) : sampler_.sample(logits);
}

void Sequence::sample(std::span<const float> logits, const Vocabulary& vocabulary) {
    const auto sampled = next_token(logits, vocabulary);
    if (!sampled) {
        error_ = sampled.error();
        return end(FinishReason::cancelled);
    }
    const Token token = *sampled;
    sampler_.accept(token);
    tokens.push_back(token);
    ++generated_;
    ++piece_.n_tokens;
    const auto& asked = request->request();
    if (vocabulary.ends_generation(token) && !asked.ignore_eos) return end(FinishReason::stop);
    if (guard_) guard_->took(token);
    collect(token, vocabulary, logits);
    append_text(utf8_.feed(text_of(token, vocabulary)));
    if (finished()) return;
    if (asked.max_repeats != 0 && repeats_of(vocabulary.bytes_of(token)) > asked.max_repeats) return end(FinishReason::stop);
    if (guard_ && guard_->ended()) return end(FinishReason::stop);
    if (asked.max_tokens && generated_ >= *asked.max_tokens) return end(FinishReason::length);
    if (window_full() && !asked.shift) return end(FinishReason::length);
}

std::uint32_t Sequence::repeats_of(std::string_view text) {
    constexpr std::string_view white = " \n\t\r";
    text.remove_prefix(std::min(text.find_first_not_of(white), text.size()));
    text = text.substr(0, text.find_last_not_of(white) + 1);
    if (text == last_word_) return ++repeats_;
    last_word_ = text;
    return repeats_ = 0;
}

std::string_view Sequence::text_of(Token token, const Vocabulary& vocabulary) const {
    const bool hidden = vocabulary.markup_of(token) == Markup::calls && !request->prepared->offers_tools;
    return hidden ? std::string_view() : vocabulary.bytes_of(token);
}

std::size_t Sequence::thinking_part(std::string_view text) {
    const std::string_view think_begin = request->prepared->reply_format.thinking_open;
    const std::string_view think_end = request->prepared->reply_format.thinking_close;
    if (thinking_ == Thinking::over || text.empty()) return 0;
    const auto before = thinking_tail_.size();
    thinking_tail_ += text;
    if (thinking_ == Thinking::undecided) {
        const auto begin = thinking_tail_.find_first_not_of(" \n\t\r");
        if (begin == std::string::npos) return 0;
        const auto word = std::string_view(thinking_tail_).substr(begin);
        if (!word.starts_with(think_begin)) {
            if (!think_begin.starts_with(word)) thinking_ = Thinking::over;
            return 0;
        }
        thinking_ = Thinking::inside;
    }
    const auto end = thinking_tail_.find(think_end);
    if (end == std::string::npos) {
        thinking_tail_.erase(0, thinking_tail_.size() - std::min(thinking_tail_.size(), think_end.size() - 1));
        return text.size();
    }
    thinking_ = Thinking::over;
    return end + think_end.size() - before;
}

std::size_t Sequence::part_before_calls(std::string_view text) {
    const auto& prepared = *request->prepared;
    if (!prepared.offers_tools || text.empty()) return text.size();
    if (calls_begun_) return 0;
    const auto before = calls_tail_.size();
    calls_tail_ += text;
    if (prepared.reply_format.calls == CallStyle::bare_json && bytes_sent_ == 0) {
        const auto begin = calls_tail_.find_first_not_of(" \n\r\t");
        calls_begun_ = begin != std::string::npos && calls_tail_[begin] == '{';
        if (calls_begun_) return 0;
    }
    // Where channels are spoken on, the head of a message says that it is a call.
    static const std::vector<std::string> channel{"to=functions."};
    const bool channels = prepared.reply_format.calls == CallStyle::harmony;
    std::size_t longest = 0;
    for (const auto& opener : channels ? channel : call_openers(prepared.reply_format.calls)) {
        longest = std::max(longest, opener.size());
        const auto found = calls_tail_.find(opener);
        if (found == std::string::npos) continue;
        calls_begun_ = true;
        return found + opener.size() - before;
    }
    calls_tail_.erase(0, calls_tail_.size() - std::min(calls_tail_.size(), longest == 0 ? 0 : longest - 1));
    return text.size();
}

void Sequence::append_text(std::string_view text) {
    const auto thought = thinking_part(text);
    piece_.text += text.substr(0, thought);
    bytes_sent_ += thought;
    const auto content = text.substr(thought);
    const auto stoppable = part_before_calls(content);
    auto cleared = stops_.feed(content.substr(0, stoppable));
    if (stops_.matched()) {
        piece_.text += cleared;
        bytes_sent_ += cleared.size();
        return end(FinishReason::stop);
    }
    if (stoppable < content.size()) cleared += stops_.finish() + std::string(content.substr(stoppable));
    bytes_sent_ += cleared.size();
    piece_.text += cleared;
}

// What later pieces will need of this token.
void Sequence::collect(Token token, const Vocabulary& vocabulary, std::span<const float> logits) {
    const auto& asked = request->request();
    if (asked.want_prompt_tokens) piece_.tokens.push_back(token);
    if (asked.logprobs) {
        piece_.logprobs.push_back(told(logits, token, asked.top_logprobs, vocabulary));
        piece_starts_.push_back(bytes_seen_);
    }
    bytes_seen_ += text_of(token, vocabulary).size();
}

void Sequence::score_prompt(std::span<const float> logits, std::int32_t position, const Vocabulary& vocabulary) {
    if (choice != 0) return;
    const auto next = static_cast<std::size_t>(position) + 1;
    if (next >= request->prepared->prompt.size() || is_image(tokens[next])) return;
    request->prompt_logprobs.push_back(
        told(logits, tokens[next], request->request().top_logprobs, vocabulary));
}

void Sequence::end(FinishReason reason) {
    if (finish_) return;
    finish_ = ChoiceFinished{.choice = choice, .reason = reason};
    if (!stops_.matched()) {
        // Nothing can complete a character or a stop string any more, unless the replacement of half a character does.
        const auto rest = stops_.feed(utf8_.finish());
        const auto held = stops_.finish();
        piece_.text += rest + held;
        bytes_sent_ += rest.size() + held.size();
    }
    if (!stops_.matched()) return;
    if (reason != FinishReason::cancelled) finish_->reason = FinishReason::stop;
    finish_->stop_string = *stops_.matched();
    drop_unsent_logprobs();
}

// Tokens of which not one byte is sent were part of the stop string.
void Sequence::drop_unsent_logprobs() {
    while (!piece_starts_.empty() && piece_starts_.back() >= bytes_sent_) {
        piece_starts_.pop_back();
        piece_.logprobs.pop_back();
    }
}

std::optional<TextPiece> Sequence::take_piece() {
    const bool something = !piece_.text.empty() || (finished() && piece_.n_tokens > 0);
    if (!something) return std::nullopt;
    piece_starts_.clear();
    return std::exchange(piece_, TextPiece{.choice = choice});
}

std::int32_t Sequence::segment() const {
    if (const auto* image = next_image()) return image->end() - computed;
    for (const auto& image : images())
        if (image.begin > computed) return image.begin - computed;
    return 0;
}

std::int32_t Sequence::with_whole_images(std::int32_t prefix) const {
    const auto* image = image_at(prefix, images());
    return image == nullptr ? prefix : image->begin;
}

void Sequence::shift() {
    const auto keep = std::min<std::size_t>(request->request().keep_tokens, tokens.size() / 2);
    const auto rest = tokens.size() - keep;
    const auto dropped = std::max<std::size_t>(rest / 2, 1);
    tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(keep),
                 tokens.begin() + static_cast<std::ptrdiff_t>(keep + dropped));
}

}  // namespace weft
