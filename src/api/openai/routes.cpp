#include "api/openai/routes.h"

#include <algorithm>

#include "api/openai/errors.h"
#include "api/openai/handlers.h"

namespace weft::api::openai {
namespace {

using Answer = Answered (*)(http::Exchange&, const Services&);

Answered with_version(http::Exchange& exchange, const Services& services, Answer answer) {
    exchange.add_header("openai-version", std::string(api_version));
    co_await answer(exchange, services);
}

Answered without_store(http::Exchange& exchange, const Services& services) {
    co_await reply_error(exchange, services,
                         {.code = ErrorCode::overloaded, .message = "The server's store could not be opened; its log says why.", .retry_after_s = 60});
}

struct Route {
    const char* method;
    const char* pattern;  // under /v1
    Answer answer;
    bool alias = false;  // also without /v1
};

constexpr Route routes[] = {
    {"GET", "/models", list_models, true},
    {"GET", "/models/*id", show_model, true},
    {"DELETE", "/models/*id", refuse_deletion, true},
    {"POST", "/chat/completions", chat_completions, true},
    {"POST", "/completions", completions, true},
    {"POST", "/embeddings", embeddings, true},
    {"POST", "/responses", create_response, true},
    {"POST", "/responses/input_tokens", count_response_input},
    {"GET", "/responses/:id", show_response},
    {"DELETE", "/responses/:id", delete_response},
    {"POST", "/responses/:id/cancel", cancel_response},
    {"GET", "/responses/:id/input_items", list_input_items},
    {"POST", "/rerank", rerank, true},
    {"POST", "/reranking", rerank, true},
    {"POST", "/tokenize", tokenize, true},
    {"POST", "/detokenize", detokenize, true},
};

// Those that need the store.
constexpr Route stored_routes[] = {
    {"POST", "/files", create_file},
    {"GET", "/files", list_files},
    {"GET", "/files/:id", show_file},
    {"DELETE", "/files/:id", delete_file},
    {"GET", "/files/:id/content", show_file_content},
    {"POST", "/batches", create_batch},
    {"GET", "/batches", list_batches},
    {"GET", "/batches/:id", show_batch},
    {"POST", "/batches/:id/cancel", cancel_batch},
};

// Other servers' routes, without /v1.
constexpr Route bare_routes[] = {
    {"POST", "/v2/rerank", rerank},
    {"POST", "/apply-template", apply_template},
    {"POST", "/infill", infill},
    {"POST", "/completion", native_completion},
    {"GET", "/props", props},
    {"GET", "/slots", not_implemented},
    {"GET", "/version", version},
};

// What OpenAI offers and this server has not (yet): known, so that a client is told 501 and not 404.
constexpr const char* missing[] = {
    "/responses/compact",
    "/chat/completions/*rest",
    "/score",
    "/audio/*rest",
    "/images/*rest",
    "/moderations",
    "/fine_tuning/*rest",
    "/assistants",
    "/assistants/*rest",
    "/threads",
    "/threads/*rest",
    "/vector_stores",
    "/vector_stores/*rest",
    "/realtime",
    "/realtime/*rest",
    "/uploads",
    "/uploads/*rest",
    "/conversations",
    "/conversations/*rest",
    "/evals",
    "/evals/*rest",
    "/containers",
    "/containers/*rest",
    "/videos",
    "/videos/*rest",
};

constexpr const char* all_methods[] = {"GET", "POST", "DELETE"};

}  // namespace

void add_routes(http::Router& router, const Services& services) {
    const auto add = [&](const char* method, std::string pattern, Answer answer) {
        router.add(method, std::move(pattern),
                   [services, answer](http::Exchange& exchange) { return with_version(exchange, services, answer); });
    };
    for (const auto& route : routes) {
        add(route.method, std::string("/v1") + route.pattern, route.answer);
        if (route.alias) add(route.method, route.pattern, route.answer);
    }
    const bool has_store = services.batch_store != nullptr && services.batches != nullptr;
    for (const auto& route : stored_routes)
        add(route.method, std::string("/v1") + route.pattern, has_store ? route.answer : without_store);
    for (const auto& route : bare_routes) add(route.method, route.pattern, route.answer);
    add("GET", "/v1/chat/completions", not_implemented);
    for (const auto* pattern : missing)
        for (const auto* method : all_methods) add(method, std::string("/v1") + pattern, not_implemented);
}

http::Handler list_models_handler(const Services& services) {
    return [services](http::Exchange& exchange) { return with_version(exchange, services, list_models); };
}

http::Handler show_model_handler(const Services& services) {
    return [services](http::Exchange& exchange) { return with_version(exchange, services, show_model); };
}

Answered reply_json(http::Exchange& exchange, const Services& services, std::string body) {
    const auto took = services.clock.now() - exchange.request().received_at;
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
    http::Response response{.content_type = "application/json", .body = std::move(body)};
    response.headers.emplace_back("openai-processing-ms", std::to_string(std::max<std::int64_t>(0, milliseconds)));
    co_await exchange.reply(std::move(response));
}

Answered reply_error(http::Exchange& exchange, const Services&, Error error) {
    if (exchange.client_gone()) co_return;
    co_await exchange.reply(error_response(error));
}

// Errors in the middle of a stream have no choices and are not followed by [DONE].
StreamManners stream_manners(const Services& services, std::string_view prompt_field) {
    return {.error_response = [prompt_field](const Error& error) { return error_response(blame_prompt(error, prompt_field)); },
            .error_event =
                [prompt_field](const Error& error) {
                    return "data: " + error_body(blame_prompt(error, prompt_field)) + "\n\n";
                },
            .keep_alive = [] { return keep_alive_comment; },
            .head_patience = services.head_patience,
            .keep_alive_interval = services.keep_alive_interval};
}

Answered not_implemented(http::Exchange& exchange, const Services&) {
    const auto& request = exchange.request();
    co_await exchange.reply(
        error_response({.code = ErrorCode::not_implemented,
                        .message = request.method + " " + request.path + " is not implemented by this server."}));
}

}  // namespace weft::api::openai
