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

// Known, so that a client is told 501 and not 404.
Answered no_batches(http::Exchange& exchange, const Services&) {
    co_await reply_error(exchange, {.code = ErrorCode::not_implemented, .message = "message batches are not implemented by this server yet"});
}

}  // namespace

void add_routes(http::Router& router, const Services& services) {
    for (const std::string base : {"/v1", "/v1/v1"}) {
        router.add("POST", base + "/messages", handler_of(services, create_message));
        router.add("POST", base + "/messages/count_tokens", handler_of(services, count_tokens));
        for (const auto* method : {"GET", "POST", "DELETE"})
            for (const auto* path : {"/messages/batches", "/messages/batches/*rest"})
                router.add(method, base + path, handler_of(services, no_batches));
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
