#include "services/chat/reply_parser.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "services/chat/white_space.h"

namespace weft {
namespace {

std::size_t leading_white_space(std::string_view text) {
    return std::min(text.find_first_not_of(white_space), text.size());
}

std::size_t without_trailing_white_space(std::string_view text) {
    const auto last = text.find_last_not_of(white_space);
    return last == std::string_view::npos ? 0 : last + 1;
}

// Length of the longest end of text that is a beginning of tag, but not all of it.
std::size_t possible_tag_at_end(std::string_view text, std::string_view tag) {
    for (std::size_t n = std::min(text.size(), tag.size() - 1); n > 0; --n)
        if (text.ends_with(tag.substr(0, n))) return n;
    return 0;
}

}  // namespace

ReplyParser::ReplyParser(Mode mode)
    : opening_tag_("<think>"),
      closing_tag_("</think>"),
      part_(mode == Mode::plain       ? Part::content
            : mode == Mode::may_think ? Part::before_tag
                                      : Part::thinking) {}

ReplyParser::ReplyParser(const ReplyRules& rules, bool thinking_open)
    : opening_tag_(rules.format.thinking_open), closing_tag_(rules.format.thinking_close), part_(Part::content) {
    const bool separates = rules.separate_thinking && rules.format.thinks();
    if (rules.format.calls == CallStyle::harmony) {
        if (rules.separate_thinking) harmony_ = std::make_unique<HarmonyParser>(rules, thinking_open);
        return;
    }
    if (separates) part_ = thinking_open ? Part::thinking : Part::before_tag;
    if (rules.tools || !answer_markers(rules.format).empty()) calls_ = std::make_unique<CallParser>(rules);
}

ReplyDelta ReplyParser::feed(TextPiece piece) {
    ReplyDelta delta;
    if (harmony_) harmony_->feed(std::move(piece), delta);
    else delta = split_thinking(std::move(piece));
    find_calls(delta);
    return delta;
}

ReplyDelta ReplyParser::finish() {
    ReplyDelta delta;
    if (harmony_) harmony_->finish(delta);
    else delta = finish_thinking();
    find_calls(delta);
    if (calls_) calls_->finish(delta);
    called_ = called_ || !delta.tool_calls.empty();
    return delta;
}

// Content may be calls, and the text around them.
void ReplyParser::find_calls(ReplyDelta& delta) {
    if (calls_ && !delta.content.empty()) {
        const auto text = std::exchange(delta.content, {});
        calls_->feed(text, std::exchange(delta.logprobs, {}), delta);
    }
    called_ = called_ || !delta.tool_calls.empty();
}

ReplyDelta ReplyParser::split_thinking(TextPiece piece) {
    ReplyDelta delta;
    if (part_ == Part::content) {
        delta.content = std::move(piece.text);
        delta.logprobs = std::move(piece.logprobs);
        return delta;
    }
    held_ += piece.text;
    held_tokens_ += piece.n_tokens;
    std::ranges::move(piece.logprobs, std::back_inserter(held_logprobs_));
    advance(delta);
    return delta;
}

ReplyDelta ReplyParser::finish_thinking() {
    ReplyDelta delta;
    if (part_ == Part::thinking) {
        held_.resize(without_trailing_white_space(held_));
        delta.thinking = std::move(held_);
        thinking_tokens_ += held_tokens_;
    } else {
        delta.content = std::move(held_);
        delta.logprobs = std::move(held_logprobs_);
    }
    held_.clear();
    held_logprobs_.clear();
    held_tokens_ = 0;
    part_ = Part::content;
    return delta;
}

void ReplyParser::advance(ReplyDelta& delta) {
    while (step(delta)) {
    }
    if (part_ == Part::thinking || part_ == Part::after_thinking) {
        thinking_tokens_ += std::exchange(held_tokens_, 0);
        held_logprobs_.clear();
    }
}

// Assigns what can be assigned to the current part; true when another part begins.
bool ReplyParser::step(ReplyDelta& delta) {
    switch (part_) {
        case Part::before_tag: return look_for_opening_tag();
        case Part::thinking: return take_thinking(delta);
        case Part::after_thinking: return skip_white_space();
        case Part::content:
            delta.content += std::exchange(held_, {});
            std::ranges::move(std::exchange(held_logprobs_, {}), std::back_inserter(delta.logprobs));
            held_tokens_ = 0;
            return false;
    }
    return false;
}

bool ReplyParser::look_for_opening_tag() {
    const auto start = leading_white_space(held_);
    const std::string_view text = std::string_view(held_).substr(start);
    if (text.starts_with(opening_tag_)) {
        held_.erase(0, start + opening_tag_.size());
        part_ = Part::thinking;
        return true;
    }
    if (opening_tag_.starts_with(text)) return false;
    part_ = Part::content;
    return true;
}

bool ReplyParser::take_thinking(ReplyDelta& delta) {
    if (!thought_anything_) held_.erase(0, leading_white_space(held_));
    const auto close = held_.find(closing_tag_);
    const auto end = close != std::string::npos ? close : held_.size() - possible_tag_at_end(held_, closing_tag_);
    // White space that ends here may be the one before the closing tag.
    const auto n = without_trailing_white_space(std::string_view(held_).substr(0, end));
    delta.thinking += held_.substr(0, n);
    thought_anything_ = thought_anything_ || n > 0;
    if (close == std::string::npos) {
        held_.erase(0, n);
        return false;
    }
    held_.erase(0, close + closing_tag_.size());
    thinking_tokens_ += std::exchange(held_tokens_, 0);
    part_ = Part::after_thinking;
    return true;
}

bool ReplyParser::skip_white_space() {
    held_.erase(0, leading_white_space(held_));
    if (held_.empty()) return false;
    keep_logprobs_of_last(held_.size());
    part_ = Part::content;
    return true;
}

// Of a piece that spans the end of the block only the tokens that reach into the last n_bytes of it are content.
void ReplyParser::keep_logprobs_of_last(std::size_t n_bytes) {
    std::size_t covered = 0;
    auto first = held_logprobs_.end();
    while (first != held_logprobs_.begin() && covered < n_bytes) covered += (--first)->chosen.bytes.size();
    held_logprobs_.erase(held_logprobs_.begin(), first);
}

}  // namespace weft
