#include "app/health.h"

#include <chrono>
#include <glaze/glaze.hpp>

namespace weft {

struct ReadyAnswer {
    std::string_view status = "ready";
    int loaded_models = 0;
    std::vector<std::string> quarantined{};
};

struct NotReadyAnswer {
    struct Error {
        int code = 503;
        std::string message;
        std::string_view type = "unavailable_error";
    } error;
};

namespace {

namespace asio = boost::asio;
using http::Exchange;
using http::Response;

// Coroutines here are plain functions: a capturing lambda's captures would end before the coroutine does.
asio::awaitable<void> reply_ok(Exchange& exchange) {
    const auto accept = exchange.request().header("accept");
    if (accept.starts_with("text/plain")) co_return co_await exchange.reply({.content_type = "text/plain", .body = "OK"});
    co_await exchange.reply({.body = R"({"status":"ok"})"});
}

std::string body_of(const auto& answer) { return glz::write_json(answer).value_or("{}"); }

Response readiness(Registry& registry, bool draining) {
    const auto not_ready = [](std::string why) {
        return Response{.status = 503, .body = body_of(NotReadyAnswer{.error = {.message = std::move(why)}}), .headers = {{"Retry-After", "1"}}};
    };
    if (draining) return not_ready("the server is shutting down");
    const auto now = std::chrono::steady_clock::now();
    ReadyAnswer ready{.quarantined = registry.quarantined()};
    for (const auto& resident : registry.resident()) {
        if (!resident.ready) continue;
        ++ready.loaded_models;
        if (now - resident.stats.heartbeat > heartbeat_patience)
            return not_ready("a model's scheduler has not been heard of for too long");
    }
    if (ready.loaded_models == 0 && !ready.quarantined.empty())
        return not_ready("the model '" + ready.quarantined.front() + "' crashed again and again and is quarantined; unload it to try again");
    return {.body = body_of(ready)};
}

asio::awaitable<void> reply_readiness(Exchange& exchange, Registry& registry, const bool& draining) {
    co_await exchange.reply(readiness(registry, draining));
}

}  // namespace

void add_health_routes(http::Router& router, Registry& registry, const bool& draining) {
    for (const char* path : {"/health", "/v1/health", "/livez"}) router.add("GET", path, reply_ok, http::AccessLog::quiet);
    router.add("GET", "/readyz", [&](Exchange& exchange) { return reply_readiness(exchange, registry, draining); },
               http::AccessLog::quiet);
}

}  // namespace weft
