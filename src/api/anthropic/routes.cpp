#include "api/anthropic/routes.h"

#include "api/anthropic/errors.h"
#include "api/anthropic/handlers.h"

namespace weft::api::anthropic {
namespace {

using Answer = Answered (*)(http::Exchange&, const Services&);

Answered with_request_id(http::Exchange& exchange, const Services& services, Answer answer) {
    exchange.add_header("request-id", exchange.request().id);
    co_await answer(exchange, services);
}

http::Handler handler_of(const Services& services, Answer answer) {
    return [services, answer](http::Exchange& exchange) { return with_request_id(exchange, services, answer); };
}

struct Route {
    const char* method;
    const char* pattern;  // under /v1 and /v1/v1
    Answer answer;
};

constexpr Route routes[] = {
    {"POST", "/messages", create_message},
    {"POST", "/messages/count_tokens", count_tokens},
};
constexpr Route batch_routes[] = {
    {"POST", "/messages/batches", create_batch},
    {"GET", "/messages/batches", list_batches},
    {"GET", "/messages/batches/:id", show_batch},
    {"DELETE", "/messages/batches/:id", delete_batch},
    {"POST", "/messages/batches/:id/cancel", cancel_batch},
    {"GET", "/messages/batches/:id/results", show_results},
};

}  // namespace

void add_routes(http::Router& router, const Services& services) {
    for (const std::string base : {"/v1", "/v1/v1"}) {
        const bool has_store = services.batch_store != nullptr && services.batches != nullptr;
        for (const auto& route : routes) router.add(route.method, base + route.pattern, handler_of(services, route.answer));
        for (const auto& route : batch_routes)
            router.add(route.method, base + route.pattern, handler_of(services, has_store ? route.answer : without_store));
    }
}

http::Handler list_models_handler(const Services& services) { return handler_of(services, list_models); }

http::Handler show_model_handler(const Services& services) { return handler_of(services, show_model); }

bool wants_anthropic(const http::Request& request) { return !request.header("anthropic-version").empty(); }

bool speaks_anthropic(const http::Request& request) {
    for (const std::string_view base : {"/v1/messages", "/v1/v1/messages"})
        if (request.path == base || request.path.starts_with(std::string(base) + "/")) return true;
    const bool models = request.path == "/v1/models" || request.path.starts_with("/v1/models/");
    return models && wants_anthropic(request);
}

Answered reply_json(http::Exchange& exchange, std::string body) {
    co_await exchange.reply({.content_type = "application/json", .body = std::move(body)});
}

Answered reply_error(http::Exchange& exchange, Error error) {
    if (exchange.client_gone()) co_return;
    co_await exchange.reply(error_response(error, exchange.request().id));
}

}  // namespace weft::api::anthropic
