#include "api/ollama/errors.h"

#include "api/ollama/json_text.h"
#include "registry/model_name.h"

namespace weft::api::ollama {
namespace {

struct ErrorBody {
    std::string error;
};

std::string overflow_text(const Error& error) {
    const std::string text = "the input length exceeds the context length";
    if (error.prompt_tokens <= 0 || error.context_tokens <= 0) return text;
    return text + " (" + std::to_string(error.prompt_tokens) + " tokens for a context of " +
           std::to_string(error.context_tokens) + ")";
}

std::string or_else(const std::string& text, std::string_view fallback) {
    return text.empty() ? std::string(fallback) : text;
}

std::string missing_text(const std::string& name, MissingModel wording) {
    switch (wording) {
        case MissingModel::plain: break;
        case MissingModel::normalised:
            if (const auto parsed = ModelName::parse(name)) return "model '" + parsed->display() + "' not found";
            break;
        case MissingModel::pull_first: return "model \"" + name + "\" not found, try pulling it first";
    }
    return "model '" + name + "' not found";
}

}  // namespace

int status_of(ErrorCode code) {
    switch (code) {
        case ErrorCode::invalid_request: return 400;
        case ErrorCode::missing_field: return 400;
        case ErrorCode::unsupported: return 400;
        case ErrorCode::not_implemented: return 501;
        case ErrorCode::not_found: return 404;
        case ErrorCode::expired: return 410;
        case ErrorCode::conflict: return 409;
        case ErrorCode::context_overflow: return 400;
        case ErrorCode::too_large: return 413;
        case ErrorCode::forbidden: return 403;
        case ErrorCode::storage_full: return 507;
        case ErrorCode::overloaded: return 503;
        case ErrorCode::rate_limited: return 429;
        case ErrorCode::shutting_down: return 503;
        case ErrorCode::model_load_failed: return 500;
        case ErrorCode::cancelled: return 499;
        case ErrorCode::timeout: return 504;
        case ErrorCode::engine_failed: return 500;
        case ErrorCode::internal: return 500;
    }
    return 500;
}

std::string text_of(const Error& error) {
    switch (error.code) {
        case ErrorCode::context_overflow: return overflow_text(error);
        case ErrorCode::overloaded:  // a field: the client's own wish is what cannot be met
            return error.field.empty() ? "server busy, please try again.  maximum pending requests exceeded" : error.message;
        case ErrorCode::cancelled: return "request canceled";
        case ErrorCode::shutting_down: return or_else(error.message, "the server is shutting down");
        case ErrorCode::invalid_request:
        case ErrorCode::missing_field:
        case ErrorCode::unsupported:
        case ErrorCode::not_implemented:
        case ErrorCode::not_found:
        case ErrorCode::expired:
        case ErrorCode::conflict:
        case ErrorCode::storage_full:
        case ErrorCode::rate_limited:
        case ErrorCode::too_large:
        case ErrorCode::forbidden:
        case ErrorCode::model_load_failed:
        case ErrorCode::timeout:
        case ErrorCode::engine_failed:
        case ErrorCode::internal: return or_else(error.message, name_of(error.code));
    }
    return "internal";
}

http::Response error_response(const Error& error) {
    http::Response response{.status = status_of(error.code), .body = to_json(ErrorBody{text_of(error)})};
    if (response.status == 503 || response.status == 429) response.headers.emplace_back("retry-after", std::to_string(error.retry_after_s));
    return response;
}

boost::asio::awaitable<void> reply_error(http::Exchange& exchange, Error error) {
    co_await exchange.reply(error_response(error));
}

std::string error_line(const Error& error) { return to_json(ErrorBody{text_of(error)}) + "\n"; }

http::Response format_transport_error(const http::Request&, int status, std::string_view code_word,
                                      std::string message) {
    constexpr auto text = "text/plain; charset=utf-8";
    // A page that tries DNS rebinding learns nothing about what answers here.
    if (code_word == "host_not_allowed") return {.status = status, .content_type = text};
    if (code_word == "not_found") return {.status = status, .content_type = text, .body = "404 page not found"};
    return {.status = status, .body = to_json(ErrorBody{std::move(message)})};
}

Result<std::shared_ptr<const ModelInfo>> find_model(Registry& registry, const std::string& name,
                                                    MissingModel wording) {
    auto found = registry.find(name);
    if (found) return found;
    Error error = std::move(found).error();
    if (error.code == ErrorCode::not_found) error.message = missing_text(name, wording);
    if (error.code == ErrorCode::invalid_request) error.message = "invalid model name";
    return std::unexpected(std::move(error));
}

}  // namespace weft::api::ollama
