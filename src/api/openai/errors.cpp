#include "api/openai/errors.h"

#include <algorithm>

#include "api/json_text.h"

namespace weft::api::openai {
namespace {

struct Kind {
    int status;
    std::string_view type;
    std::string_view code;  // empty: null
};

std::string_view code_of_invalid(const Error& error) {
    switch (error.reason) {
        case ErrorReason::none:
            if (error.field == "previous_response_id") return "previous_response_not_found";
            return error.field.empty() ? "" : "invalid_value";
        case ErrorReason::wrong_type: return "invalid_type";
        case ErrorReason::below_minimum: return "integer_below_min_value";
        case ErrorReason::above_maximum: return "integer_above_max_value";
        case ErrorReason::decimal_below_minimum: return "decimal_below_min_value";
        case ErrorReason::decimal_above_maximum: return "decimal_above_max_value";
        case ErrorReason::empty_array: return "empty_array";
        case ErrorReason::malformed_json: return "";
        case ErrorReason::invalid_schema: return "invalid_json_schema";
        case ErrorReason::invalid_grammar: return "invalid_grammar";
        case ErrorReason::invalid_image: return "invalid_image";
        case ErrorReason::invalid_image_url: return "invalid_image_url";
    }
    return "";
}

Kind kind_of(const Error& error) {
    switch (error.code) {
        case ErrorCode::invalid_request: return {400, "invalid_request_error", code_of_invalid(error)};
        case ErrorCode::missing_field: return {400, "invalid_request_error", "missing_required_parameter"};
        case ErrorCode::unsupported: return {400, "invalid_request_error", "unsupported_parameter"};
        case ErrorCode::not_implemented: return {501, "not_supported_error", "not_implemented"};
        case ErrorCode::not_found: {
            const bool is_model = error.field.empty() || error.field == "model";
            return {404, "invalid_request_error", is_model ? "model_not_found" : "not_found"};
        }
        case ErrorCode::expired: return {410, "invalid_request_error", "expired"};
        case ErrorCode::conflict: return {409, "invalid_request_error", "conflict"};
        case ErrorCode::context_overflow: return {400, "invalid_request_error", "context_length_exceeded"};
        case ErrorCode::too_large: return {413, "invalid_request_error", "request_too_large"};
        case ErrorCode::forbidden: return {403, "permission_error", "forbidden"};
        case ErrorCode::storage_full: return {507, "server_error", "storage_full"};
        case ErrorCode::overloaded: return {503, "server_error", "server_overloaded"};
        case ErrorCode::rate_limited: return {429, "requests", "rate_limit_exceeded"};
        case ErrorCode::shutting_down: return {503, "server_error", "server_shutting_down"};
        case ErrorCode::model_load_failed: return {500, "server_error", "model_load_failed"};
        // The client of a cancelled request is gone, as a rule: only a log will see this status.
        case ErrorCode::cancelled: return {499, "server_error", "cancelled"};
        case ErrorCode::timeout: return {504, "server_error", "timeout"};
        case ErrorCode::engine_failed:
        case ErrorCode::internal: return {500, "server_error", "internal_error"};
    }
    return {500, "server_error", "internal_error"};
}

// Tools recognise an overflow by these words when they do not look at the code.
std::string message_of(const Error& error) {
    if (error.code != ErrorCode::context_overflow || error.context_tokens == 0) return error.message;
    return "This model's maximum context length is " + std::to_string(error.context_tokens) +
           " tokens, but the request has " + std::to_string(error.prompt_tokens) + " tokens. Please shorten it.";
}

std::string param_of(const Error& error) {
    if (error.field.empty() && error.code == ErrorCode::not_found) return "model";
    return error.field;
}

void append_string_or_null(std::string& out, std::string_view text) {
    if (text.empty())
        out += "null";
    else
        append_json_string(out, text);
}

std::string error_object(std::string_view message, const Kind& kind, std::string_view param, std::string_view more = {}) {
    std::string out = R"({"error":{"message":)";
    append_json_string(out, message);
    out += R"(,"type":)";
    append_json_string(out, kind.type);
    out += R"(,"param":)";
    append_string_or_null(out, param);
    out += R"(,"code":)";
    append_string_or_null(out, kind.code);
    out += more;
    out += "}}";
    return out;
}

Kind kind_of_status(int status) {
    switch (status) {
        case 403: return {403, "permission_error", "forbidden"};
        case 404: return {404, "invalid_request_error", ""};
        case 405: return {405, "invalid_request_error", "method_not_supported"};
        case 408: return {408, "invalid_request_error", "timeout"};
        case 413: return {413, "invalid_request_error", "request_too_large"};
        case 415: return {415, "invalid_request_error", "unsupported_media_type"};
        case 501: return {501, "not_supported_error", "not_implemented"};
        case 503: return {503, "server_error", "server_overloaded"};
        default: break;
    }
    if (status < 500) return {status, "invalid_request_error", ""};
    return {status, "server_error", "internal_error"};
}

std::string message_of_status(int status, std::string_view method, std::string_view path) {
    const std::string route = std::string(method) + " " + std::string(path);
    switch (status) {
        case 403: return "This host or origin is not allowed.";
        case 404: return "Unknown request URL: " + route + ".";
        case 405: return "Not allowed: " + route + ". The Allow header names the methods of this path.";
        case 408: return "The request did not arrive in time.";
        case 413: return "The request body is too large.";
        case 415: return "The request body has an encoding that is not supported.";
        case 431: return "The request has too many or too large headers.";
        case 501: return route + " is not implemented by this server.";
        case 503: return "The server cannot take this request now.";
        default: break;
    }
    return status < 500 ? "The request is malformed." : "The server failed to answer this request.";
}

}  // namespace

std::string error_body(const Error& error) {
    std::string more;
    if (error.code == ErrorCode::context_overflow && error.context_tokens != 0)
        more = R"(,"n_prompt_tokens":)" + std::to_string(error.prompt_tokens) + R"(,"n_ctx":)" +
               std::to_string(error.context_tokens);
    return error_object(message_of(error), kind_of(error), param_of(error), more);
}

http::Response error_response(const Error& error) {
    http::Response response{.status = kind_of(error).status, .body = error_body(error)};
    if (error.code == ErrorCode::overloaded || error.code == ErrorCode::rate_limited || error.code == ErrorCode::shutting_down)
        response.headers.emplace_back("retry-after", std::to_string(std::max(1, error.retry_after_s)));
    const bool is_final = error.code == ErrorCode::model_load_failed || error.code == ErrorCode::conflict || error.code == ErrorCode::not_implemented;
    if (is_final) response.headers.emplace_back("x-should-retry", "false");
    return response;
}

Error blame_prompt(Error error, std::string_view field) {
    if (error.code == ErrorCode::context_overflow && error.field.empty()) error.field = field;
    return error;
}

http::Response transport_error(int status, std::string_view method, std::string_view path) {
    http::Response response{.status = status,
                            .body = error_object(message_of_status(status, method, path), kind_of_status(status), "")};
    response.headers.emplace_back("openai-version", api_version);
    if (status == 503) response.headers.emplace_back("retry-after", "1");
    return response;
}

}  // namespace weft::api::openai
