#include "api/anthropic/message_stream.h"

#include "api/anthropic/thinking.h"
#include "api/json_text.h"
#include "api/reply_waiter.h"

namespace weft::api::anthropic {
namespace {

constexpr std::string_view ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n";

}  // namespace

void MessageStreamWriter::add(GenerationEvent event, std::string& out) {
    const bool done = std::holds_alternative<GenerationDone>(event);
    if (std::holds_alternative<Error>(event)) return;
    const auto delta = reply_.add(std::move(event));
    if (!started_) begin(out);
    add_delta(delta, out);
    if (done) finish(out);
}

std::string_view MessageStreamWriter::keep_alive() const { return started_ ? ping : keep_alive_comment; }

// How much of the prompt comes from the cache is not known yet: message_delta tells.
void MessageStreamWriter::begin(std::string& out) {
    started_ = true;
    out += "event: message_start\ndata: {\"type\":\"message_start\",\"message\":";
    out += message_prefix(head_);
    out += R"("content":[],"stop_reason":null,"stop_sequence":null,"stop_details":null,"container":null,"usage":)";
    append_usage(out, {.prompt_tokens = reply_.prompt_tokens()});
    out += "}}\n\n";
    out += ping;
}

void MessageStreamWriter::add_delta(const ReplyDelta& delta, std::string& out) {
    if (!delta.thinking.empty()) {
        if (block_ != Block::thinking) open(Block::thinking, R"({"type":"thinking","thinking":"","signature":""})", out);
        thinking_ += delta.thinking;
        if (head_.show_thinking) append_delta("thinking_delta", "thinking", delta.thinking, out);
    }
    if (!delta.content.empty()) {
        if (block_ != Block::text) open(Block::text, R"({"type":"text","text":""})", out);
        append_delta("text_delta", "text", delta.content, out);
    }
    for (const auto& call : delta.tool_calls) add_call(call, out);
}

void MessageStreamWriter::add_call(const ToolCallDelta& call, std::string& out) {
    if (call.index >= calls_) {
        std::string block = R"({"type":"tool_use","id":)";
        append_json_string(block, "toolu_" + call.id);
        block += R"(,"name":)";
        append_json_string(block, call.name);
        open(Block::call, block + R"(,"input":{}})", out);
        ++calls_;
    }
    if (!call.arguments.empty()) append_delta("input_json_delta", "partial_json", call.arguments, out);
}

// One block is open at a time.
void MessageStreamWriter::open(Block kind, std::string_view content_block, std::string& out) {
    close(out);
    block_ = kind;
    out += "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":" + std::to_string(index_);
    out += R"(,"content_block":)";
    out += content_block;
    out += "}\n\n";
}

void MessageStreamWriter::close(std::string& out) {
    if (block_ == Block::none) return;
    if (block_ == Block::thinking) append_delta("signature_delta", "signature", signature_of(thinking_), out);
    out += "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":" + std::to_string(index_) + "}\n\n";
    block_ = Block::none;
    ++index_;
}

void MessageStreamWriter::append_delta(std::string_view type, std::string_view field, std::string_view text,
                                       std::string& out) const {
    out += "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":" + std::to_string(index_);
    out += R"(,"delta":{"type":")";
    out += type;
    out += R"(",")";
    out += field;
    out += R"(":)";
    append_json_string(out, text);
    out += "}}\n\n";
}

void MessageStreamWriter::finish(std::string& out) {
    close(out);
    out += "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{";
    append_stop(out, head_, reply_, calls_ > 0);
    out += R"(},"usage":)";
    append_usage(out, usage_of(reply_));
    out += "}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
}

}  // namespace weft::api::anthropic
