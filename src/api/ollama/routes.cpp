#include "api/ollama/routes.h"

#include <memory>
#include <string>
#include <utility>

#include "api/ollama/errors.h"
#include "api/ollama/handlers.h"
#include "api/ollama/json_text.h"

namespace weft::api::ollama {
namespace asio = boost::asio;
namespace {

// Of the reference whose behaviour this is: clients switch features on by it.
constexpr std::string_view compatible_version = "0.33.0";

struct VersionAnswer {
    std::string_view version;
};

asio::awaitable<void> greet(http::Exchange& exchange, const Services&) {
    co_await exchange.reply({.content_type = "text/plain; charset=utf-8", .body = "Ollama is running"});
}

asio::awaitable<void> tell_version(http::Exchange& exchange, const Services&) {
    co_await exchange.reply({.body = to_json(VersionAnswer{compatible_version})});
}

// Models run here or not at all: nobody's cloud is asked.
asio::awaitable<void> tell_status(http::Exchange& exchange, const Services&) {
    co_await exchange.reply({.body = R"({"cloud":{"disabled":true,"source":"config"}})"});
}

asio::awaitable<void> recommend_nothing(http::Exchange& exchange, const Services&) {
    co_await exchange.reply({.body = R"({"recommendations":[]})"});
}

// There are no accounts here; clients ask all the same.
asio::awaitable<void> know_nobody(http::Exchange& exchange, const Services&) {
    co_await reply_error(exchange, {.code = ErrorCode::not_found, .message = "this server has no accounts"});
}

asio::awaitable<void> refuse(http::Exchange& exchange, const Services&) {
    co_await reply_error(exchange, {.code = ErrorCode::not_implemented,
                                    .message = exchange.request().path + " is not available in this server yet"});
}

}  // namespace

void add_routes(http::Router& router, Services services) {
    using Handle = asio::awaitable<void> (*)(http::Exchange&, const Services&);
    const auto shared = std::make_shared<const Services>(std::move(services));
    const auto add = [&](const char* method, const char* path, Handle handle,
                         http::AccessLog log = http::AccessLog::normal) {
        router.add(method, path, [handle, shared](http::Exchange& exchange) { return handle(exchange, *shared); }, log);
    };
    add("GET", "/", greet, http::AccessLog::quiet);
    add("GET", "/api/version", tell_version, http::AccessLog::quiet);
    add("GET", "/api/tags", handle_tags);
    add("GET", "/api/ps", handle_ps);
    add("POST", "/api/show", handle_show);
    add("POST", "/api/generate", handle_generate);
    add("POST", "/api/chat", handle_chat);
    add("POST", "/api/embed", handle_embed);
    add("POST", "/api/embeddings", handle_embeddings);

    add("GET", "/api/status", tell_status, http::AccessLog::quiet);
    add("GET", "/api/experimental/model-recommendations", recommend_nothing);
    add("POST", "/api/me", know_nobody);
    add("POST", "/api/signout", know_nobody);

    add("POST", "/api/create", refuse);
    add("POST", "/api/copy", refuse);
    add("DELETE", "/api/delete", refuse);
    add("POST", "/api/pull", refuse);
    add("POST", "/api/push", refuse);
    add("HEAD", "/api/blobs/:digest", refuse);
    add("POST", "/api/blobs/:digest", refuse);
}

}  // namespace weft::api::ollama
