#include "api/jobs/web_socket_messages.h"

#include "api/jobs/errors.h"
#include "api/jobs/job_object.h"
#include "api/json_text.h"

namespace weft::api::jobs {
namespace {

void append_member(std::string& out, std::string_view key, std::string_view value) {
    if (value.empty()) return;
    out.append(",\"").append(key).append("\":");
    append_json_string(out, value);
}

std::string message_of_type(std::string_view type, std::string_view request_id, std::string_view client_ref) {
    std::string out = R"({"type":")" + std::string(type) + "\"";
    append_member(out, "request_id", request_id);
    append_member(out, "client_ref", client_ref);
    return out;
}

Result<std::string> read_request_id(const JsonReader& message) {
    const auto field = message["request_id"];
    WEFT_TRY(auto id, field.string());
    if (!id || id->empty()) return field.missing();
    return std::move(*id);
}

}  // namespace

Result<SocketMessage> read_socket_message(const JsonReader& message) {
    if (!message.is_object()) return fail(ErrorCode::invalid_request, "a message must be a JSON object");
    SocketMessage read;
    WEFT_TRY(auto ref, message["client_ref"].string());
    read.client_ref = std::move(ref).value_or("");
    if (read.client_ref.size() > max_client_ref_bytes)
        return message["client_ref"].invalid("must have at most " + std::to_string(max_client_ref_bytes) + " bytes");
    WEFT_TRY(const auto type, message["type"].string());
    if (!type || *type == "infer") {
        WEFT_TRY(const auto stream, message["stream"].boolean());
        WEFT_TRY(const auto cancel, message["cancel_on_close"].boolean());
        read.stream = stream.value_or(false);
        read.cancel_on_close = cancel.value_or(false);
        return read;
    }
    if (*type != "cancel" && *type != "subscribe") return message["type"].invalid("must be infer, cancel or subscribe");
    read.type = *type == "cancel" ? SocketMessage::Type::cancel : SocketMessage::Type::subscribe;
    WEFT_TRY(read.request_id, read_request_id(message));
    WEFT_TRY(const auto after, message["after"].integer(-1, UINT32_MAX));
    read.after = after.value_or(-1);
    read.stream = true;
    return read;
}

std::string readable_client_ref(const JsonReader& message) {
    auto ref = message["client_ref"].string();
    return ref && *ref && (*ref)->size() <= max_client_ref_bytes ? std::move(**ref) : std::string();
}

std::string socket_error(const Error& error, std::string_view request_id, std::string_view client_ref) {
    return message_of_type("error", request_id, client_ref) + R"(,"error":)" + error_object(error) + "}";
}

std::string socket_ack(const JobRow& row, std::string_view client_ref) {
    std::string out = message_of_type("ack", row.id, client_ref);
    append_member(out, "session_id", row.session_id);
    append_member(out, "status", status_word(row.status));
    return out + "}";
}

std::string SocketEvents::begin(std::string_view type) const { return message_of_type(type, request_id_, client_ref_); }

void SocketEvents::started(std::uint32_t attempt) {
    if (known_attempt_ != 0 && attempt != known_attempt_ && tokens_)
        out_.push_back(begin("restart") + R"(,"attempt":)" + std::to_string(attempt) + "}");
    known_attempt_ = attempt;
}

void SocketEvents::chunk(std::uint32_t, std::size_t number, std::string_view text) {
    if (!tokens_) return;
    std::string out = begin("token") + R"(,"chunk":)" + std::to_string(number) + R"(,"data":)";
    append_json_string(out, text);
    out_.push_back(std::move(out) + "}");
}

void SocketEvents::ended(const JobRow& row) {
    if (row.status != JobStatus::completed) {
        out_.push_back(begin("error") + R"(,"error":)" + job_error_object(row) + "}");
        return;
    }
    std::string out = begin("result") + R"(,"result":)";
    append_json_string(out, row.output.text);
    out_.push_back(std::move(out) + answer_members(row) + R"(,"usage":)" + usage_object(row) + "}");
}

}  // namespace weft::api::jobs
