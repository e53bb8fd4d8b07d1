#include "scheduler/answer_guard.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace weft {
namespace {

constexpr std::string_view white = " \n\r\t";
constexpr float impossible = -std::numeric_limits<float>::infinity();

// As much of the end of `text` as may be the beginning of a word of that length.
std::string last(std::string_view text, std::size_t word) {
    return std::string(text.substr(text.size() - std::min(text.size(), word == 0 ? 0 : word - 1)));
}

}  // namespace

AnswerGuard::AnswerGuard(Rules rules, const Vocabulary& vocabulary) : rules_(std::move(rules)), vocabulary_(vocabulary) {
    if (has_grammar()) grammar_ = std::make_unique<GrammarConstraint>(rules_.constraint);
    const bool thinks = rules_.format.thinks() && (!has_grammar() || (rules_.constraint->plan().after_thinking && rules_.may_think));
    if (thinks) place_ = rules_.thinking_open ? Place::thinking : Place::beginning;
    else if (!has_grammar()) place_ = Place::anything;
    else place_ = waits_for_trigger() ? Place::free : Place::answer;
}

Result<Token> AnswerGuard::choose(Sampler& sampler, std::span<const float> logits) {
    const bool spent = rules_.thinking_budget && thought_tokens_ >= *rules_.thinking_budget;
    if (place_ == Place::thinking && spent && closing_left_ == 0) close_thinking();
    forced_ = closing_left_ > 0;
    if (forced_) return rules_.closing[rules_.closing.size() - closing_left_--];
    if (!has_grammar()) return closed_with_ ? sampler.sample(logits, *this) : sampler.sample(logits);
    grammar_->begin_step();
    auto token = sampler.sample(logits, *this);
    if (grammar_->exhausted())
        return fail(ErrorCode::invalid_request, "the grammar is too ambiguous: it cannot be followed at this speed");
    if (!token) return fail(ErrorCode::invalid_request, "the grammar leaves no token that the model could go on with");
    return token;
}

void AnswerGuard::close_thinking() {
    closing_left_ = rules_.closing.size();
    const auto is_tag = [this](Token token) { return vocabulary_.bytes_of(token) == rules_.format.thinking_close; };
    if (const auto tag = std::ranges::find_if(rules_.closing, is_tag); tag != rules_.closing.end()) closed_with_ = *tag;
}

void AnswerGuard::took(Token token) {
    // What closes the block is the template's, nothing of it is the answer's.
    if (forced_) {
        if (closing_left_ == 0) settle(after_thinking({}));
        return;
    }
    if (place_ == Place::anything) return;
    if (vocabulary_.ends_generation(token)) return;
    if (place_ == Place::answer) return grammar_->accept(token);
    if (place_ == Place::thinking) ++thought_tokens_;
    settle(read(vocabulary_.bytes_of(token)));
}

void AnswerGuard::settle(Reading reading) {
    if (!reading.for_grammar.empty()) grammar_->accept_text(reading.for_grammar);
    place_ = reading.place;
    tail_ = std::move(reading.tail);
    gap_bytes_ = reading.gap_bytes;
}

bool AnswerGuard::allows(Token token) {
    if (place_ == Place::anything) return token != closed_with_;
    const bool ends = vocabulary_.ends_generation(token);
    if (ends && rules_.ignore_end) return !has_grammar();
    if (place_ == Place::answer) return grammar_->allows(token);
    // An answer that must have a form is not over before it has begun.
    if (ends) return waits_for_trigger();
    // Markers without a meaning here, and tokens without text, lead nowhere.
    const auto text = vocabulary_.bytes_of(token);
    if (text.empty()) return place_ == Place::thinking || waits_for_trigger();
    // Another marker would end the block, too, and what follows it would be an answer without its form.
    const bool is_marker = vocabulary_.markup_of(token) != Markup::none && !rules_.format.thinking_close.contains(text);
    if (place_ == Place::thinking && has_grammar() && !waits_for_trigger() && is_marker) return false;
    const auto reading = read(text);
    if (reading.refused) return false;
    return reading.for_grammar.empty() || grammar_->allows_text(reading.for_grammar);
}

void AnswerGuard::keep_allowed(std::span<float> logits) {
    if (place_ == Place::answer && !rules_.ignore_end) return grammar_->keep_allowed(logits);
    for (std::size_t i = 0; i < logits.size(); ++i)
        if (logits[i] != impossible && !allows(static_cast<Token>(i))) logits[i] = impossible;
}

// ---- reading along --------------------------------------------------------------------------------------------------

AnswerGuard::Reading AnswerGuard::read(std::string_view text) const {
    switch (place_) {
        case Place::beginning: return read_beginning(tail_ + std::string(text));
        case Place::thinking: return read_thinking(tail_ + std::string(text));
        case Place::gap: return read_gap(text, gap_bytes_);
        case Place::free: return read_free(tail_ + std::string(text));
        case Place::answer:
        case Place::anything: break;
    }
    return {.place = place_};
}

AnswerGuard::Reading AnswerGuard::read_beginning(std::string text) const {
    const auto begin = text.find_first_not_of(white);
    const auto too_much = has_grammar() && !waits_for_trigger() && (begin == std::string::npos ? text.size() : begin) > max_gap_bytes;
    if (begin == std::string::npos) return {.place = Place::beginning, .tail = std::move(text), .refused = too_much};
    const auto word = std::string_view(text).substr(begin);
    const std::string_view opening = rules_.format.thinking_open;
    if (opening.starts_with(word) && word.size() < opening.size())
        return {.place = Place::beginning, .tail = std::move(text), .refused = too_much};
    if (word.starts_with(opening)) return read_thinking(std::string(word.substr(opening.size())));
    auto reading = after_thinking(std::move(text));
    reading.refused = reading.refused || too_much;
    return reading;
}

AnswerGuard::Reading AnswerGuard::read_thinking(std::string text) const {
    const std::string_view closing = rules_.format.thinking_close;
    const auto end = text.find(closing);
    if (end == std::string::npos) return {.place = Place::thinking, .tail = last(text, closing.size())};
    return after_thinking(text.substr(end + closing.size()));
}

AnswerGuard::Reading AnswerGuard::after_thinking(std::string text) const {
    if (!has_grammar()) return {.place = Place::anything};
    if (waits_for_trigger()) return read_free(std::move(text));
    return read_gap(text, 0);
}

AnswerGuard::Reading AnswerGuard::read_gap(std::string_view text, std::size_t gap_bytes) const {
    if (text.empty()) return {.place = Place::gap, .gap_bytes = gap_bytes};
    const auto begin = text.find_first_not_of(white);
    // White space may be the form's own beginning.
    if (begin != 0 && grammar_->allows_text(text)) return read_answer(std::string(text));
    const auto blank = begin == std::string_view::npos ? text.size() : begin;
    const bool too_much = gap_bytes + blank > max_gap_bytes;
    if (begin == std::string_view::npos) return {.place = Place::gap, .gap_bytes = gap_bytes + blank, .refused = too_much};
    auto reading = read_answer(std::string(text.substr(begin)));
    reading.refused = too_much;
    return reading;
}

AnswerGuard::Reading AnswerGuard::read_free(std::string text) const {
    std::size_t longest = 0;
    auto first = std::string::npos;
    for (const auto& trigger : rules_.constraint->plan().triggers) {
        longest = std::max(longest, trigger.size());
        first = std::min(first, text.find(trigger));
    }
    if (first == std::string::npos) return {.place = Place::free, .tail = last(text, longest)};
    return read_answer(text.substr(first));
}

AnswerGuard::Reading AnswerGuard::read_answer(std::string text) const {
    return {.place = Place::answer, .tail = {}, .for_grammar = std::move(text)};
}

}  // namespace weft
