#include "services/chat/harmony_parser.h"

#include <algorithm>
#include <utility>

#include "services/chat/call_body.h"

namespace weft {
namespace {

constexpr std::string_view function_recipient = "to=functions.";

// "commentary to=functions.get_weather json" -> "get_weather"
std::string callee_in(std::string_view header) {
    const auto at = header.find(function_recipient);
    if (at == std::string_view::npos) return {};
    auto name = header.substr(at + function_recipient.size());
    return std::string(name.substr(0, name.find_first_of(" \t\n<")));
}

}  // namespace

HarmonyParser::HarmonyParser(const ReplyRules& rules, bool thinking_open)
    : tools_(rules.tools),
      max_calls_(rules.parallel_calls ? max_calls_per_reply : 1),
      new_call_id_(rules.new_call_id ? rules.new_call_id : random_call_id),
      markers_(call_markers(CallStyle::harmony)),
      part_(thinking_open ? Part::thinking : Part::header),
      early_(rules.early_arguments) {}

void HarmonyParser::feed(TextPiece piece, ReplyDelta& out) {
    const auto content_before = out.content.size();
    bool thinks = part_ == Part::thinking;
    held_ += piece.text;
    take(false, out);
    thinks = thinks || part_ == Part::thinking;
    if (thinks) thinking_tokens_ += piece.n_tokens;
    if (out.content.size() > content_before) std::ranges::move(piece.logprobs, std::back_inserter(out.logprobs));
}

void HarmonyParser::finish(ReplyDelta& out) {
    take(true, out);
    // The protocol's own words are no content, nor is a call that has just begun.
    if (part_ == Part::header && !header_.contains(" <")) add_content(std::exchange(header_, {}), out);
    cut_off_ = part_ == Part::call && early_state_ == Early::yes;
    if (part_ == Part::call && early_ && tools_ && tools_->knows(callee_)) return;
    end_message(out);
}

void HarmonyParser::take(bool ended, ReplyDelta& out) {
    std::size_t at = 0;
    while (at < held_.size()) {
        ++work_;
        const auto match = markers_.at(std::string_view(held_).substr(at));
        if (match.open && !ended) break;
        if (match.word.empty()) {
            take_byte(held_[at++], out);
        } else {
            at += match.word.size();
            take_marker(match.word, out);
        }
    }
    held_.erase(0, at);
}

void HarmonyParser::take_marker(std::string_view word, ReplyDelta& out) {
    if (word == "<|message|>") return begin_message();
    if (part_ != Part::header) end_message(out);
    if (word == "<|start|>") header_.clear();
    // A separator, so that names and words do not run into one another.
    else if (word == "<|channel|>" || word == "<|constrain|>") header_ += " <";
}

void HarmonyParser::take_byte(char c, ReplyDelta& out) {
    switch (part_) {
        case Part::header:
            header_ += c;
            // Not the protocol at all: a model that just talks.
            if (header_.size() > max_call_header_bytes) {
                part_ = Part::content;
                add_content(std::exchange(header_, {}), out);
            }
            return;
        case Part::thinking:
            if (std::exchange(thought_pending_, false)) out.thinking += "\n";
            thought_anything_ = true;
            out.thinking += c;
            return;
        case Part::content: return add_content({&c, 1}, out);
        case Part::call:
            if (call_.size() >= max_call_bytes) return;
            call_ += c;
            if (early_) tell_call_early(c, out);
            return;
    }
}

void HarmonyParser::begin_message() {
    const auto header = std::exchange(header_, {});
    callee_ = callee_in(header);
    if (!callee_.empty()) part_ = Part::call;
    else if (header.contains("<analysis")) part_ = Part::thinking;
    else part_ = Part::content;
    new_message_ = true;
    thought_pending_ = part_ == Part::thinking && thought_anything_;
    early_arguments_ = {};
    early_state_ = Early::no;
}

void HarmonyParser::end_message(ReplyDelta& out) {
    if (part_ == Part::call) tell_call(out);
    part_ = Part::header;
    header_.clear();
}

void HarmonyParser::tell_call(ReplyDelta& out) {
    const auto text = std::exchange(call_, {});
    if (early_state_ != Early::no) return;
    const bool blank = text.find_first_not_of(" \t\r\n") == std::string::npos;
    auto arguments = blank ? std::string("{}") : compact_json(text);
    if (!tools_ || !tools_->knows(callee_) || !arguments.starts_with('{')) return add_content(text, out);
    if (calls_ >= max_calls_) return;
    out.tool_calls.push_back(
        {.index = calls_++, .id = new_call_id_(), .name = callee_, .arguments = std::move(arguments)});
}

void HarmonyParser::tell_call_early(char c, ReplyDelta& out) {
    if (early_state_ == Early::over || !tools_ || !tools_->knows(callee_)) return;
    const auto before = early_arguments_.text().size();
    const auto state = early_arguments_.feed(c);
    if (early_state_ == Early::no) {
        // Whether it is an object shows in its first byte.
        if (early_arguments_.text() != "{") return;
        if (calls_ >= max_calls_) return;
        out.tool_calls.push_back({.index = calls_++, .id = new_call_id_(), .name = callee_});
        early_state_ = Early::yes;
    } else if (out.tool_calls.empty()) {
        out.tool_calls.push_back({.index = calls_ - 1});
    }
    out.tool_calls.back().arguments += std::string_view(early_arguments_.text()).substr(before);
    if (state != JsonScanner::State::more) early_state_ = Early::over;
}

void HarmonyParser::add_content(std::string_view text, ReplyDelta& out) {
    if (calls_ > 0 || text.empty()) return;
    // Messages to the reader are paragraphs.
    if (std::exchange(new_message_, false) && std::exchange(said_anything_, true)) out.content += '\n';
    out.content += text;
}

}  // namespace weft
