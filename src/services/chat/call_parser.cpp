#include "services/chat/call_parser.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include "services/chat/white_space.h"

namespace weft {
namespace {

std::vector<std::string> all_markers(const ReplyRules& rules) {
    std::vector<std::string> words = answer_markers(rules.format);
    if (!rules.tools) return words;
    for (const auto* list : {&call_openers(rules.format.calls), &call_markers(rules.format.calls)})
        words.insert(words.end(), list->begin(), list->end());
    return words;
}

}  // namespace

CallParser::CallParser(const ReplyRules& rules)
    : style_(rules.tools ? rules.format.calls : CallStyle::none),
      tools_(rules.tools),
      max_calls_(rules.parallel_calls ? max_calls_per_reply : 1),
      new_call_id_(rules.new_call_id ? rules.new_call_id : random_call_id),
      openers_(call_openers(style_)),
      markers_(all_markers(rules)) {
    // Nothing holds these to a grammar: what looks like a call may still turn out to be none.
    early_ = rules.early_arguments && style_ != CallStyle::bare_json && style_ != CallStyle::functionary_v32;
    // The prompt of this family ends with the word that opens a message to somebody.
    if (style_ == CallStyle::functionary_v32) open("");
}

void CallParser::feed(std::string_view text, std::vector<TokenLogprob> logprobs, ReplyDelta& out) {
    fed_ += text.size();
    std::size_t end = fed_;
    const auto first_new = static_cast<std::ptrdiff_t>(logprobs_.size());
    for (auto& logprob : std::views::reverse(logprobs)) {
        end -= std::min(end - (fed_ - text.size()), logprob.chosen.bytes.size());
        logprobs_.insert(logprobs_.begin() + first_new, {.begin = end, .logprob = std::move(logprob)});
    }
    held_ += text;
    held_.erase(0, take_text(0, false, out));
}

void CallParser::finish(ReplyDelta& out) {
    held_.erase(0, take_text(0, true, out));
    if (body_ && (!body_->finish() || !end_body(out))) {
        // Held to a grammar so far, it would have become a call.
        if (early_ && !early_refused_) leave_out_body(out);
        else (void)release(*body_, true, out);
    }
    if (calls_ == 0) {
        out.content += space_;
        settle(space_.size() - space_settled_, true, out);
        for (auto& placed : logprobs_) out.logprobs.push_back(std::move(placed.logprob));
    }
    space_.clear();
    logprobs_.clear();
}

// Everything in held_ from `at` on that can be decided; how far that is.
std::size_t CallParser::take_text(std::size_t at, bool ended, ReplyDelta& out) {
    while (at < held_.size()) {
        ++work_;
        if (body_) {
            const auto state = body_->feed(held_[at]);
            if (state != CallBody::State::broken) ++at;
            if (early_ && state != CallBody::State::broken) tell_early(out);
            if (state == CallBody::State::more || (state == CallBody::State::complete && end_body(out))) continue;
            const auto body = std::shared_ptr<const CallBody>(std::move(body_));
            give_back(release(*body, false, out), body->raw(), at);
            continue;
        }
        if (begins_bare_call(held_[at])) {
            open("");
            continue;
        }
        const auto match = markers_.at(std::string_view(held_).substr(at));
        if (match.open && !ended) return at;
        if (match.word.empty()) {
            add_text(held_[at++], out);
        } else {
            at += match.word.size();
            if (openers_.at(match.word).word == match.word) open(match.word);
            else drop_marker(match.word.size(), out);
        }
    }
    return at;
}

bool CallParser::begins_bare_call(char c) const {
    return style_ == CallStyle::bare_json && (c == '{' || c == '[') && !content_begun_;
}

void CallParser::open(std::string_view word) {
    body_ = make_call_body(style_, word, *tools_);
    opener_bytes_ = word.size();
    early_calls_ = 0;
    early_refused_ = false;
}

// False when it is no call after all.
bool CallParser::end_body(ReplyDelta& out) {
    if (body_->addresses_reader()) {
        drop_marker(opener_bytes_ + body_->raw().size(), out);
        body_.reset();
        return true;
    }
    auto calls = body_->calls();
    calls.erase(calls.begin(), calls.begin() + static_cast<std::ptrdiff_t>(std::min(early_calls_, calls.size())));
    std::erase_if(calls, [this](const ReadCall& call) { return !tools_->knows(call.name); });
    if (calls.empty() && early_calls_ == 0) return false;
    leave_out_body(out);
    for (auto& call : calls) tell(std::move(call), out);
    return true;
}

// The call with its marker, and the white space before it, are no text.
void CallParser::leave_out_body(ReplyDelta& out) {
    settle(space_.size() - space_settled_ + opener_bytes_ + body_->raw().size(), false, out);
    space_.clear();
    space_settled_ = 0;
    body_.reset();
}

// It was no call. Of what it was, markers are left out, and nothing is looked at as a call again: linear. How many bytes
// at its end may be the beginning of a marker that goes on behind it.
std::size_t CallParser::release(const CallBody& body, bool ended, ReplyDelta& out) {
    // ">>>" is an ordinary word too: of Python's prompt.
    if (style_ == CallStyle::functionary_v32)
        for (std::size_t i = 0; i < opener_bytes_; ++i) add_text('>', out);
    else drop_marker(opener_bytes_, out);
    const std::string_view text = body.raw();
    for (std::size_t at = 0; at < text.size();) {
        ++work_;
        const auto match = markers_.at(text.substr(at));
        if (match.open && !ended) return text.size() - at;
        if (match.word.empty()) {
            add_text(text[at++], out);
        } else {
            at += match.word.size();
            drop_marker(match.word.size(), out);
        }
    }
    return 0;
}

// Makes the last bytes that were read the next ones. Those of earlier pieces are no longer held.
void CallParser::give_back(std::size_t bytes, std::string_view last_read, std::size_t& at) {
    if (at < bytes) {
        held_.insert(0, last_read.substr(last_read.size() - bytes, bytes - at));
        at = bytes;
    }
    at -= bytes;
}

void CallParser::tell(ReadCall call, ReplyDelta& out) {
    if (calls_ >= max_calls_) return;
    last_call_is_whole_ = true;
    out.tool_calls.push_back({.index = calls_++,
                              .id = new_call_id_(),
                              .name = std::move(call.name),
                              .arguments = std::move(call.arguments_json)});
}

void CallParser::tell_early(ReplyDelta& out) {
    std::string arguments;
    const auto* call = body_->take_early(arguments);
    if (call == nullptr || early_refused_) return;
    if (call->told == 1) {
        early_refused_ = calls_ >= max_calls_ || !tools_->knows(call->name);
        if (early_refused_) return;
        ++early_calls_;
        out.tool_calls.push_back({.index = calls_++, .id = new_call_id_(), .name = call->name});
    } else if (out.tool_calls.empty()) {
        out.tool_calls.push_back({.index = calls_ - 1});
    }
    out.tool_calls.back().arguments += arguments;
    last_call_is_whole_ = call->complete;
}

void CallParser::add_text(char c, ReplyDelta& out) {
    if (calls_ > 0) return settle(1, false, out);
    if (is_space(c)) {
        space_ += c;
        return;
    }
    if (gap_ && content_begun_ && space_.empty()) out.content += ' ';
    gap_ = false;
    content_begun_ = true;
    out.content += space_;
    out.content += c;
    settle(space_.size() - space_settled_ + 1, true, out);
    space_.clear();
    space_settled_ = 0;
}

void CallParser::drop_marker(std::size_t bytes, ReplyDelta& out) {
    if (bytes > 0) gap_ = true;
    settle(space_.size() - space_settled_, true, out);
    space_settled_ = space_.size();
    settle(bytes, false, out);
}

// The next bytes of the text are content, or are not.
void CallParser::settle(std::size_t bytes, bool content, ReplyDelta& out) {
    settled_ += bytes;
    while (!logprobs_.empty() && logprobs_.front().begin < settled_) {
        if (content) out.logprobs.push_back(std::move(logprobs_.front().logprob));
        logprobs_.pop_front();
    }
}

}  // namespace weft
