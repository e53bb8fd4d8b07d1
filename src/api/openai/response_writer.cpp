#include "api/openai/response_writer.h"

#include "api/base64.h"
#include "api/json_reader.h"
#include "api/json_text.h"
#include "api/openai/answer_parts.h"

namespace weft::api::openai {
namespace {

std::string json_string(std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
}

std::string logprobs_json(const std::vector<TokenLogprob>& logprobs) {
    std::string out;
    append_logprob_entries(out, logprobs);
    return out;
}

std::string_view error_code(ErrorCode code) {
    switch (code) {
        case ErrorCode::overloaded:
        case ErrorCode::rate_limited: return "rate_limit_exceeded";
        case ErrorCode::invalid_request:
        case ErrorCode::missing_field:
        case ErrorCode::unsupported:
        case ErrorCode::not_implemented:
        case ErrorCode::not_found:
        case ErrorCode::expired:
        case ErrorCode::conflict:
        case ErrorCode::context_overflow:
        case ErrorCode::too_large:
        case ErrorCode::forbidden: return "invalid_prompt";
        case ErrorCode::shutting_down:
        case ErrorCode::storage_full:
        case ErrorCode::model_load_failed:
        case ErrorCode::cancelled:
        case ErrorCode::timeout:
        case ErrorCode::engine_failed:
        case ErrorCode::internal: return "server_error";
    }
    return "server_error";
}

std::string usage_json(const SingleReply& reply) {
    const auto& done = reply.done();
    std::string out = R"({"input_tokens":)" + std::to_string(done.prompt_tokens);
    out += R"(,"input_tokens_details":{"cached_tokens":)" + std::to_string(done.cached_tokens);
    out += R"(,"cache_write_tokens":0},"output_tokens":)" + std::to_string(done.completion_tokens);
    out += R"(,"output_tokens_details":{"reasoning_tokens":)" + std::to_string(reply.thinking_tokens());
    out += R"(},"total_tokens":)" + std::to_string(std::uint64_t{done.prompt_tokens} + done.completion_tokens) + "}";
    return out;
}

}  // namespace

void ResponseWriter::add(GenerationEvent event, std::string& out) {
    if (std::holds_alternative<Error>(event)) return;
    const bool done = std::holds_alternative<GenerationDone>(event);
    auto delta = reply_.add(std::move(event));
    if (!started_) begin(out);
    add_delta(delta, out);
    if (done) finish(out);
}

void ResponseWriter::fail(const Error& error, std::string& out) {
    if (!started_) begin(out);
    status_ = "failed";
    error_ = R"({"code":")" + std::string(error_code(error.code)) + R"(","message":)" + json_string(error.message) + "}";
    emit("response.failed", R"("response":)" + object(), out);
    finished_ = true;
}

std::string ResponseWriter::object() const {
    const bool over = status_ != "in_progress";
    std::string out = R"({"id":)" + json_string(head_.id) + R"(,"object":"response","created_at":)" + std::to_string(head_.created);
    out += R"(,"completed_at":)" + (completed_at_ == 0 ? "null" : std::to_string(completed_at_));
    out += R"(,"status":")";
    out += status_;
    out += R"(","error":)" + error_ + R"(,"incomplete_details":)";
    out += status_ == "incomplete" ? R"({"reason":"max_output_tokens"})" : "null";
    out += R"(,"output":[)";
    for (std::size_t i = 0; i < output_.size(); ++i) out += (i > 0 ? "," : "") + output_[i].json;
    out += R"(],"usage":)" + (over && status_ != "failed" ? usage_json(reply_) : "null") + head_.echo + "}";
    return out;
}

void ResponseWriter::begin(std::string& out) {
    started_ = true;
    if (!streams_) return;
    const std::string response = R"("response":)" + object();
    emit("response.created", response, out);
    emit("response.in_progress", response, out);
}

void ResponseWriter::add_delta(const ReplyDelta& delta, std::string& out) {
    if (!delta.thinking.empty()) {
        if (item_.kind != Kind::reasoning) open({.kind = Kind::reasoning, .id = head_.new_id("rs_")}, out);
        item_.text += delta.thinking;
        emit_of_item("response.reasoning_summary_text.delta", R"("summary_index":0,"delta":)" + json_string(delta.thinking), out);
    }
    if (!delta.content.empty()) {
        if (item_.kind != Kind::message) open({.kind = Kind::message, .id = head_.new_id("msg_")}, out);
        item_.text += delta.content;
        const auto& logprobs = head_.logprobs ? delta.logprobs : std::vector<TokenLogprob>{};
        item_.logprobs.insert(item_.logprobs.end(), logprobs.begin(), logprobs.end());
        emit_of_item("response.output_text.delta",
                     R"("content_index":0,"delta":)" + json_string(delta.content) + R"(,"logprobs":)" + logprobs_json(logprobs),
                     out);
    }
    for (const auto& call : delta.tool_calls) add_call(call, out);
}

void ResponseWriter::add_call(const ToolCallDelta& call, std::string& out) {
    if (call.index >= calls_) {
        const bool custom = head_.custom_tools.contains(call.name);
        open({.kind = custom ? Kind::custom_call : Kind::function_call,
              .id = head_.new_id(custom ? "ctc_" : "fc_"),
              .call_id = "call_" + call.id,
              .name = call.name},
             out);
        ++calls_;
    }
    if (call.arguments.empty()) return;
    item_.text += call.arguments;
    // What a custom tool is given is inside of the arguments: it is known when they are complete.
    if (item_.kind == Kind::function_call)
        emit_of_item("response.function_call_arguments.delta", R"("delta":)" + json_string(call.arguments), out);
}

void ResponseWriter::open(Item item, std::string& out) {
    close("completed", out);
    item_ = std::move(item);
    emit_item("response.output_item.added", item_json("in_progress", false), out);
    if (item_.kind == Kind::reasoning)
        emit_of_item("response.reasoning_summary_part.added",
                     R"("summary_index":0,"part":{"type":"summary_text","text":""})", out);
    if (item_.kind == Kind::message)
        emit_of_item("response.content_part.added", R"("content_index":0,"part":)" + part_json(""), out);
}

void ResponseWriter::close(std::string_view status, std::string& out) {
    switch (item_.kind) {
        case Kind::none: return;
        case Kind::reasoning: close_reasoning(out); break;
        case Kind::message: close_message(out); break;
        case Kind::function_call:
        case Kind::custom_call: close_call(out); break;
    }
    auto json = item_json(status, true);
    emit_item("response.output_item.done", json, out);
    output_.push_back({.id = std::move(item_.id), .json = std::move(json)});
    item_ = {};
}

void ResponseWriter::close_reasoning(std::string& out) {
    const auto text = json_string(item_.text);
    emit_of_item("response.reasoning_summary_text.done", R"("summary_index":0,"text":)" + text, out);
    emit_of_item("response.reasoning_summary_part.done",
                 R"("summary_index":0,"part":{"type":"summary_text","text":)" + text + "}", out);
}

void ResponseWriter::close_message(std::string& out) {
    emit_of_item("response.output_text.done",
                 R"("content_index":0,"text":)" + json_string(item_.text) + R"(,"logprobs":)" + logprobs_json(item_.logprobs), out);
    emit_of_item("response.content_part.done", R"("content_index":0,"part":)" + part_json(item_.text), out);
}

void ResponseWriter::close_call(std::string& out) {
    if (item_.kind == Kind::custom_call) {
        const auto input = json_string(custom_input());
        emit_of_item("response.custom_tool_call_input.delta", R"("delta":)" + input, out);
        emit_of_item("response.custom_tool_call_input.done", R"("input":)" + input, out);
        return;
    }
    if (item_.text.empty()) {
        item_.text = "{}";
        emit_of_item("response.function_call_arguments.delta", R"("delta":"{}")", out);
    }
    emit_of_item("response.function_call_arguments.done",
                 R"("name":)" + json_string(item_.name) + R"(,"arguments":)" + json_string(item_.text), out);
}

// An answer without anything in it has a message without text.
void ResponseWriter::finish(std::string& out) {
    const bool cut = reply_.finish_reason() == FinishReason::length;
    if (output_.empty() && item_.kind == Kind::none) open({.kind = Kind::message, .id = head_.new_id("msg_")}, out);
    close(cut ? "incomplete" : "completed", out);
    status_ = cut ? "incomplete" : "completed";
    if (!cut) completed_at_ = head_.unix_time();
    finished_ = true;
    emit(cut ? "response.incomplete" : "response.completed", R"("response":)" + (streams_ ? object() : ""), out);
}

void ResponseWriter::emit_of_item(std::string_view type, std::string_view fields, std::string& out) {
    if (!streams_) return;
    emit(type,
         R"("item_id":)" + json_string(item_.id) + R"(,"output_index":)" + std::to_string(output_.size()) + "," + std::string(fields),
         out);
}

void ResponseWriter::emit_item(std::string_view type, std::string_view item_json, std::string& out) {
    if (!streams_) return;
    emit(type, R"("output_index":)" + std::to_string(output_.size()) + R"(,"item":)" + std::string(item_json), out);
}

void ResponseWriter::emit(std::string_view type, std::string_view fields, std::string& out) {
    if (!streams_) return;
    out += "event: ";
    out += type;
    out += "\ndata: {\"type\":\"";
    out += type;
    out += R"(","sequence_number":)" + std::to_string(sequence_++) + ",";
    out += fields;
    out += "}\n\n";
}

std::string ResponseWriter::item_json(std::string_view status, bool complete) const {
    std::string out = R"({"id":)" + json_string(item_.id) + R"(,"type":")";
    const std::string state = R"(,"status":")" + std::string(status) + "\"";
    switch (item_.kind) {
        case Kind::none: break;
        case Kind::reasoning:
            out += R"(reasoning","summary":[)";
            if (complete) out += R"({"type":"summary_text","text":)" + json_string(item_.text) + "}";
            out += ']';
            if (complete) out += state;
            if (complete && head_.encrypted_reasoning) {
                out += R"(,"encrypted_content":")";
                append_base64(out, item_.text);
                out += '"';
            }
            break;
        case Kind::message:
            out += R"(message")" + state + R"(,"role":"assistant","content":[)" + (complete ? part_json(item_.text) : "") + "]";
            break;
        case Kind::function_call:
            out += R"(function_call")" + state + R"(,"call_id":)" + json_string(item_.call_id) + R"(,"name":)" + json_string(item_.name);
            out += R"(,"arguments":)" + json_string(complete ? item_.text : "");
            break;
        case Kind::custom_call:
            out += R"(custom_tool_call")" + state + R"(,"call_id":)" + json_string(item_.call_id) + R"(,"name":)" + json_string(item_.name);
            out += R"(,"input":)" + json_string(complete ? custom_input() : "");
            break;
    }
    out += '}';
    return out;
}

std::string ResponseWriter::part_json(std::string_view text) const {
    return R"({"type":"output_text","text":)" + json_string(text) + R"(,"annotations":[],"logprobs":)" +
           logprobs_json(item_.logprobs) + "}";
}

std::string ResponseWriter::custom_input() const {
    const auto arguments = parse_json(item_.text);
    if (!arguments) return item_.text;
    const auto input = JsonReader(*arguments)["input"];
    return input.is_string() ? input.json().get<std::string>() : item_.text;
}

}  // namespace weft::api::openai
