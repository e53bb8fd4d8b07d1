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
    for (auto& call : delta.tool_calls) {
        if (call.index < all.tool_calls.size()) all.tool_calls[call.index].arguments += call.arguments;
        else all.tool_calls.push_back(std::move(call));
    }
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
        choices_.push_back({.parser = ReplyParser(options_.rules, thinking_open)});
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
    if (choice.reply.content.empty() && !choice.reply.tool_calls.empty()) out += "null";
    else append_json_string(out, choice.reply.content);
    if (!choice.reply.thinking.empty()) {
        out += R"(,"reasoning_content":)";
        append_json_string(out, choice.reply.thinking);
        out += R"(,"reasoning":)";
        append_json_string(out, choice.reply.thinking);
    }
    if (!choice.reply.tool_calls.empty()) append_calls(out, choice.reply.tool_calls);
    out += R"(,"refusal":null,"annotations":[]},"logprobs":)";
    if (options_.logprobs)
        append_chat_logprobs(out, choice.reply.logprobs);
    else
        out += "null";
    out += R"(,"finish_reason":)";
    out += finish_reason_json(choice.finish_reason, choice.parser, options_.legacy_functions);
    out += '}';
}

void ChatAnswer::append_calls(std::string& out, const std::vector<ToolCallDelta>& calls) const {
    const auto append_function = [&out](const ToolCallDelta& call) {
        out += R"({"name":)";
        append_json_string(out, call.name);
        out += R"(,"arguments":)";
        append_json_string(out, call.arguments);
        out += '}';
    };
    if (options_.legacy_functions) {
        out += R"(,"function_call":)";
        return append_function(calls.front());
    }
    out += R"(,"tool_calls":[)";
    for (const auto& call : calls) {
        if (call.index > 0) out += ',';
        out += R"({"id":)";
        append_json_string(out, call_id(call.id));
        out += R"(,"type":"function","function":)";
        append_function(call);
        out += '}';
    }
    out += ']';
}

Usage ChatAnswer::usage() const {
    Usage usage;
    usage.add(done_);
    for (const auto& choice : choices_) usage.reasoning_tokens += choice.parser.thinking_tokens();
    return usage;
}

}  // namespace weft::api::openai
