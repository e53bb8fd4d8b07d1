#include "api/anthropic/errors.h"

#include <algorithm>

#include "api/json_text.h"

namespace weft::api::anthropic {
namespace {

struct Kind {
    int status;
    std::string_view type;
};

constexpr int overloaded_status = 529;  // Anthropic's own

Kind kind_of(ErrorCode code) {
    switch (code) {
        case ErrorCode::invalid_request:
        case ErrorCode::missing_field:
        case ErrorCode::unsupported:
        case ErrorCode::context_overflow: return {400, "invalid_request_error"};
        case ErrorCode::not_implemented: return {501, "api_error"};
        case ErrorCode::not_found: return {404, "not_found_error"};
        case ErrorCode::expired: return {410, "not_found_error"};
        case ErrorCode::conflict: return {409, "invalid_request_error"};
        case ErrorCode::storage_full: return {507, "api_error"};
        case ErrorCode::rate_limited: return {429, "rate_limit_error"};
        case ErrorCode::too_large: return {413, "request_too_large"};
        case ErrorCode::forbidden: return {403, "permission_error"};
        case ErrorCode::overloaded: return {overloaded_status, "overloaded_error"};
        case ErrorCode::shutting_down: return {503, "overloaded_error"};
        // The client of a cancelled request is gone, as a rule: only a log will see this status.
        case ErrorCode::cancelled: return {499, "api_error"};
        case ErrorCode::timeout: return {504, "timeout_error"};
        case ErrorCode::model_load_failed:
        case ErrorCode::engine_failed:
        case ErrorCode::internal: return {500, "api_error"};
    }
    return {500, "api_error"};
}

// "messages[0].content[1].text" as this dialect writes it: "messages.0.content.1.text".
std::string dotted(std::string_view path) {
    std::string out;
    for (const char c : path) {
        if (c == '[') out += '.';
        else if (c != ']') out += c;
    }
    return out;
}

// Coding tools recognise an overflow by its first words, and then shorten the conversation.
std::string message_of(const Error& error) {
    if (error.code == ErrorCode::context_overflow) {
        if (error.context_tokens == 0) return "prompt is too long: " + error.message;
        return "prompt is too long: " + std::to_string(error.prompt_tokens) + " tokens > " +
               std::to_string(error.context_tokens) + " maximum";
    }
    if (error.field.empty()) return error.message;
    std::string_view message = error.message;
    if (const std::string named = "'" + error.field + "' "; message.starts_with(named)) message.remove_prefix(named.size());
    return dotted(error.field) + ": " + std::string(message);
}

Kind kind_of_status(int status) {
    switch (status) {
        case 403: return {403, "permission_error"};
        case 404: return {404, "not_found_error"};
        case 413: return {413, "request_too_large"};
        case 503: return {503, "overloaded_error"};
        default: break;
    }
    return {status, status < 500 ? "invalid_request_error" : "api_error"};
}

std::string message_of_status(int status, const http::Request& request) {
    const std::string route = request.method + " " + request.path;
    switch (status) {
        case 403: return "This host or origin is not allowed.";
        case 404: return "Not found: " + route + ".";
        case 405: return "Method not allowed: " + route + ". The Allow header names the methods of this path.";
        case 408: return "The request did not arrive in time.";
        case 413: return "The request body is too large.";
        case 415: return "The request body has an encoding that is not supported.";
        case 431: return "The request has too many or too large headers.";
        case 503: return "The server cannot take this request now.";
        default: break;
    }
    return status < 500 ? "The request is malformed." : "The server failed to answer this request.";
}

std::string error_object(std::string_view type, std::string_view message, std::string_view request_id) {
    std::string out = R"({"type":"error","error":{"type":")";
    out += type;
    out += R"(","message":)";
    append_json_string(out, message);
    out += R"(},"request_id":)";
    append_json_string(out, request_id);
    out += '}';
    return out;
}

}  // namespace

std::string error_body(const Error& error, std::string_view request_id) {
    return error_object(kind_of(error.code).type, message_of(error), request_id);
}

http::Response error_response(const Error& error, std::string_view request_id) {
    http::Response response{
        .status = kind_of(error.code).status, .content_type = "application/json", .body = error_body(error, request_id)};
    if (error.code == ErrorCode::overloaded || error.code == ErrorCode::shutting_down)
        response.headers.emplace_back("retry-after", std::to_string(std::max(1, error.retry_after_s)));
    if (error.code == ErrorCode::model_load_failed || error.code == ErrorCode::not_implemented)
        response.headers.emplace_back("x-should-retry", "false");
    return response;
}

http::Response transport_error(int status, const http::Request& request) {
    const auto kind = kind_of_status(status);
    http::Response response{.status = status,
                            .content_type = "application/json",
                            .body = error_object(kind.type, message_of_status(status, request), request.id)};
    response.headers.emplace_back("request-id", request.id);
    if (status == 503) response.headers.emplace_back("retry-after", "1");
    return response;
}

}  // namespace weft::api::anthropic
