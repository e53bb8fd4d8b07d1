#include "api/anthropic/message_answer.h"

#include <algorithm>

#include "api/anthropic/thinking.h"
#include "api/json_reader.h"
#include "api/json_text.h"

namespace weft::api::anthropic {
namespace {

std::string_view stop_reason(const AnswerHead& head, const SingleReply& reply, bool has_calls) {
    if (reply.finish_reason() == FinishReason::length)
        return reply.done().completion_tokens < head.max_tokens ? "model_context_window_exceeded" : "max_tokens";
    if (has_calls) return "tool_use";
    return reply.stop_string().empty() ? "end_turn" : "stop_sequence";
}

// A call that the limit cut off in the middle is no object.
std::string input_of(const std::string& arguments) {
    const auto parsed = parse_json(arguments);
    return parsed && parsed->is_object() ? arguments : "{}";
}

void append_block(std::string& content, std::string_view block) {
    if (!content.empty()) content += ',';
    content += block;
}

}  // namespace

std::string message_prefix(const AnswerHead& head) {
    std::string out = R"({"id":)";
    append_json_string(out, head.id);
    out += R"(,"type":"message","role":"assistant","model":)";
    append_json_string(out, head.model);
    out += ',';
    return out;
}

void append_stop(std::string& out, const AnswerHead& head, const SingleReply& reply, bool has_calls) {
    const auto reason = stop_reason(head, reply, has_calls);
    out += R"("stop_reason":")";
    out += reason;
    out += R"(","stop_sequence":)";
    if (reason == "stop_sequence")
        append_json_string(out, reply.stop_string());
    else
        out += "null";
    out += R"(,"stop_details":null,"container":null)";
}

Usage usage_of(const SingleReply& reply) {
    return {.prompt_tokens = reply.prompt_tokens(),
            .cached_tokens = std::min(reply.done().cached_tokens, reply.prompt_tokens()),
            .output_tokens = reply.done().completion_tokens,
            .thinking_tokens = reply.thinking_tokens()};
}

void append_usage(std::string& out, const Usage& usage) {
    out += R"({"input_tokens":)" + std::to_string(usage.prompt_tokens - usage.cached_tokens);
    out += R"(,"cache_creation_input_tokens":0,"cache_read_input_tokens":)" + std::to_string(usage.cached_tokens);
    out += R"(,"output_tokens":)" + std::to_string(usage.output_tokens);
    out += R"(,"cache_creation":null,"output_tokens_details":{"thinking_tokens":)" + std::to_string(usage.thinking_tokens);
    out += R"(},"server_tool_use":null,"service_tier":"standard","inference_geo":null})";
}

std::string MessageAnswer::body() const {
    std::string content;
    if (!whole_.thinking.empty()) {
        std::string block = R"({"type":"thinking","thinking":)";
        append_json_string(block, head_.show_thinking ? std::string_view(whole_.thinking) : "");
        block += R"(,"signature":")" + signature_of(whole_.thinking) + "\"}";
        append_block(content, block);
    }
    if (!whole_.content.empty()) {
        std::string block = R"({"type":"text","text":)";
        append_json_string(block, whole_.content);
        append_block(content, block + R"(,"citations":null})");
    }
    for (const auto& call : whole_.calls) {
        std::string block = R"({"type":"tool_use","id":)";
        append_json_string(block, "toolu_" + call.id);
        block += R"(,"name":)";
        append_json_string(block, call.name);
        append_block(content, block + R"(,"input":)" + input_of(call.arguments) + "}");
    }
    std::string out = message_prefix(head_) + R"("content":[)" + content + "],";
    append_stop(out, head_, reply_, !whole_.calls.empty());
    out += R"(,"usage":)";
    append_usage(out, usage_of(reply_));
    out += '}';
    return out;
}

}  // namespace weft::api::anthropic
