#include "api/openai/chat_response.h"

#include <algorithm>
#include <iterator>

#include "api/json_text.h"

namespace weft::api::openai {
namespace {

void append(ReplyDelta& all, ReplyDelta delta) {
    all.thinking += delta.thinking;
    all.content += delta.content;
    std::ranges::move(delta.logprobs, std::back_inserter(all.logprobs));
}

}  // namespace

void ChatAnswer::add(GenerationEvent event) {
    const auto* accepted = std::get_if<PromptAccepted>(&event);
    if (choices_.empty()) begin(accepted && accepted->thinking_open);
    if (auto* piece = std::get_if<TextPiece>(&event); piece && piece->choice < choices_.size()) {
        auto& choice = choices_[piece->choice];
        append(choice.reply, choice.parser.feed(std::move(*piece)));
    } else if (const auto* end = std::get_if<ChoiceFinished>(&event); end && end->choice < choices_.size()) {
        auto& choice = choices_[end->choice];
        append(choice.reply, choice.parser.finish());
        choice.finish_reason = end->reason;
    } else if (const auto* done = std::get_if<GenerationDone>(&event)) {
        done_ = *done;
    }
}

void ChatAnswer::begin(bool thinking_open) {
    for (std::uint32_t i = 0; i < options_.choices; ++i)
        choices_.push_back({.parser = ReplyParser(options_.thinking.mode(thinking_open))});
}

std::string ChatAnswer::body(const AnswerHead& head) const {
    std::string out = R"({"id":)";
    append_json_string(out, head.id);
    out += R"(,"object":"chat.completion","created":)" + std::to_string(head.created) + R"(,"model":)";
    append_json_string(out, head.model);
    out += R"(,"system_fingerprint":)";
    append_json_string(out, head.fingerprint);
    out += R"(,"choices":[)";
    for (std::size_t i = 0; i < choices_.size(); ++i) append_choice(out, i);
    out += R"(],"usage":)";
    append_usage(out, usage());
    out += R"(,"service_tier":"default"})";
    return out;
}

void ChatAnswer::append_choice(std::string& out, std::size_t index) const {
    const auto& choice = choices_[index];
    if (index > 0) out += ',';
    out += R"({"index":)" + std::to_string(index) + R"(,"message":{"role":"assistant","content":)";
    append_json_string(out, choice.reply.content);
    if (!choice.reply.thinking.empty()) {
        out += R"(,"reasoning_content":)";
        append_json_string(out, choice.reply.thinking);
        out += R"(,"reasoning":)";
        append_json_string(out, choice.reply.thinking);
    }
    out += R"(,"refusal":null,"annotations":[]},"logprobs":)";
    if (options_.logprobs)
        append_chat_logprobs(out, choice.reply.logprobs);
    else
        out += "null";
    out += R"(,"finish_reason":)";
    out += finish_reason_json(choice.finish_reason);
    out += '}';
}

Usage ChatAnswer::usage() const {
    Usage usage;
    usage.add(done_);
    for (const auto& choice : choices_) usage.reasoning_tokens += choice.parser.thinking_tokens();
    return usage;
}

}  // namespace weft::api::openai
