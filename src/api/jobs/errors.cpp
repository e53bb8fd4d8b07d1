#include "api/jobs/errors.h"

#include <algorithm>

#include "api/json_text.h"

namespace weft::api::jobs {
namespace {

struct Kind {
    int status;
    std::string_view code;
};

Kind kind_of(const Error& error) {
    switch (error.code) {
        case ErrorCode::invalid_request:
            return {400, error.reason == ErrorReason::malformed_json ? "invalid_json" : "invalid_request"};
        case ErrorCode::missing_field: return {400, "missing_field"};
        case ErrorCode::unsupported: return {400, "unsupported"};
        case ErrorCode::not_implemented: return {501, "not_implemented"};
        case ErrorCode::not_found: return {404, error.field == "model" ? "model_not_found" : "not_found"};
        case ErrorCode::expired: return {410, "expired"};
        case ErrorCode::conflict: return {error.field == "Idempotency-Key" ? 422 : 409, "conflict"};
        case ErrorCode::context_overflow: return {400, "context_length_exceeded"};
        case ErrorCode::too_large: return {413, "too_large"};
        case ErrorCode::forbidden: return {403, "forbidden"};
        case ErrorCode::storage_full: return {507, "storage_full"};
        case ErrorCode::overloaded: return {503, "overloaded"};
        case ErrorCode::rate_limited: return {429, "rate_limited"};
        case ErrorCode::shutting_down: return {503, "shutting_down"};
        case ErrorCode::model_load_failed: return {500, "model_load_failed"};
        case ErrorCode::cancelled: return {499, "cancelled"};
        case ErrorCode::timeout: return {503, "deadline_exceeded"};
        case ErrorCode::engine_failed: return {500, "engine_failed"};
        case ErrorCode::internal: return {500, "internal"};
    }
    return {500, "internal"};
}

std::string object_of(std::string_view code, std::string_view message, std::string_view field) {
    std::string out = R"({"code":)";
    append_json_string(out, code);
    out += R"(,"message":)";
    append_json_string(out, message);
    out += R"(,"field":)";
    field.empty() ? void(out += "null") : append_json_string(out, field);
    return out + "}";
}

}  // namespace

std::string error_object(const Error& error) { return object_of(kind_of(error).code, error.message, error.field); }

http::Response error_response(const Error& error) {
    http::Response response{.status = kind_of(error).status, .content_type = "application/json",
                            .body = R"({"error":)" + error_object(error) + "}"};
    if (response.status == 503 || response.status == 429)
        response.headers.emplace_back("retry-after", std::to_string(std::max(1, error.retry_after_s)));
    return response;
}

http::Response transport_error(int status, std::string_view code_word, std::string_view message) {
    return {.status = status, .content_type = "application/json", .body = R"({"error":)" + object_of(code_word, message, "") + "}"};
}

}  // namespace weft::api::jobs
