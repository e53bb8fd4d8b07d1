#include "ollama_server.h"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch_test_macros.hpp>
#include <algorithm>
#include <limits>
#include <utility>

#include "support/fake_exchange.h"

namespace weft::test {
namespace asio = boost::asio;
namespace {

// Longer than any request takes.
constexpr std::chrono::seconds run_limit{20};
constexpr auto unlimited = std::numeric_limits<std::size_t>::max();

Answer seen_by_client(FakeExchange& exchange) {
    return {.status = exchange.answer.status,
            .content_type = std::move(exchange.answer.content_type),
            .headers = std::move(exchange.answer.headers),
            .body = std::move(exchange.answer.body),
            .writes = std::move(exchange.writes),
            .ended = exchange.end == FakeExchange::End::finished};
}

}  // namespace

api::Json Answer::json() const {
    auto value = api::parse_json(body);
    INFO(body);
    REQUIRE(value.has_value());
    return *value;
}

std::vector<api::Json> Answer::lines() const {
    std::vector<api::Json> all;
    std::string_view rest = body;
    while (!rest.empty()) {
        const auto end = rest.find('\n');
        INFO(rest);
        REQUIRE(end != std::string_view::npos);
        auto value = api::parse_json(rest.substr(0, end));
        REQUIRE(value.has_value());
        all.push_back(std::move(*value));
        rest.remove_prefix(end + 1);
    }
    return all;
}

std::string Answer::error() const {
    const auto value = api::parse_json(body);
    if (!value) return {};
    return api::JsonReader(*value)["error"].string().value_or("").value_or("");
}

std::string at(const api::Json& json, std::string_view path) {
    const api::Json* value = &json;
    while (!path.empty()) {
        const auto end = std::min(path.find('.'), path.size());
        const std::string key(path.substr(0, end));
        path.remove_prefix(std::min(end + 1, path.size()));
        if (value->is_array()) {
            const auto index = static_cast<std::size_t>(std::stoul(key));
            if (index >= value->get_array().size()) return "absent";
            value = &value->get_array()[index];
        } else {
            if (!value->is_object() || !value->get_object().contains(key)) return "absent";
            value = &value->get_object().find(key)->second;
        }
    }
    return api::write_json(*value);
}

OllamaServer::OllamaServer()
    : registry(io.get_executor()), chat(registry, io.get_executor()), embed(registry) {
    api::ollama::add_routes(router, {.registry = registry, .chat = chat, .embed = embed, .clock = clock});
}

FakeRunner& OllamaServer::has_model(const std::string& name, std::vector<std::string> capabilities) {
    return *registry.add(name, std::move(capabilities));
}

Answer OllamaServer::ask(const std::string& method, const std::string& path, std::string body, http::Headers headers) {
    return run(method, path, std::move(body), std::move(headers), unlimited);
}

Answer OllamaServer::ask_and_leave_after(std::size_t writes, const std::string& path, std::string body) {
    return run("POST", path, std::move(body), {}, writes);
}

Answer OllamaServer::run(const std::string& method, const std::string& path, std::string body, http::Headers headers,
                         std::size_t patience) {
    http::Request request{.method = method, .path = path, .headers = std::move(headers), .body = std::move(body),
                          .received_at = std::chrono::steady_clock::now()};
    auto match = router.find(method, path);
    INFO(method << " " << path);
    REQUIRE(match.handler != nullptr);
    request.path_parameters = std::move(match.parameters);
    FakeExchange exchange(io.get_executor(), std::move(request));
    bool finished = false;
    asio::co_spawn(io, (*match.handler)(exchange), [&](std::exception_ptr failure) {
        CHECK(failure == nullptr);
        finished = true;
    });
    io.restart();
    while (exchange.writes.size() < patience && io.run_one_for(run_limit) != 0) {
    }
    if (exchange.writes.size() >= patience) exchange.leave();
    io.run_for(run_limit);
    REQUIRE(finished);
    return seen_by_client(exchange);
}

}  // namespace weft::test
