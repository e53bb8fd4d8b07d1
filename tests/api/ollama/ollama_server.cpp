#include "ollama_server.h"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch_test_macros.hpp>
#include <limits>
#include <utility>

namespace weft::test {
namespace asio = boost::asio;
namespace {

constexpr auto unlimited = std::numeric_limits<std::size_t>::max();

class RecordingExchange final : public http::Exchange {
  public:
    RecordingExchange(asio::any_io_executor io, http::Request request, std::size_t patience)
        : io_(std::move(io)), request_(std::move(request)), patience_(patience) {}

    const http::Request& request() const override { return request_; }
    asio::any_io_executor executor() const override { return io_; }
    void add_header(std::string name, std::string value) override { answer.headers.emplace_back(name, value); }

    asio::awaitable<void> reply(http::Response response) override {
        REQUIRE_FALSE(started_);
        started_ = true;
        answer.status = response.status;
        answer.content_type = std::move(response.content_type);
        answer.body = std::move(response.body);
        for (auto& header : response.headers) answer.headers.push_back(std::move(header));
        co_return;
    }

    asio::awaitable<void> start_stream(std::string content_type, http::Headers) override {
        REQUIRE_FALSE(started_);
        started_ = true;
        answer.status = 200;
        answer.content_type = std::move(content_type);
        co_return;
    }

    asio::awaitable<bool> write(std::string_view data) override {
        answer.writes.emplace_back(data);
        answer.body += data;
        if (answer.writes.size() >= patience_) leave();
        co_return !gone_;
    }

    asio::awaitable<void> finish_stream() override {
        answer.ended = true;
        co_return;
    }
    void abort_stream() override {}
    bool started() const override { return started_; }
    void on_client_gone(std::function<void()> callback) override {
        callback_ = std::move(callback);
        if (gone_ && callback_) std::exchange(callback_, {})();
    }
    bool client_gone() const override { return gone_; }

    Answer answer{};

  private:
    void leave() {
        gone_ = true;
        if (callback_) std::exchange(callback_, {})();
    }

    asio::any_io_executor io_;
    http::Request request_;
    std::size_t patience_;
    std::function<void()> callback_{};
    bool started_ = false;
    bool gone_ = false;
};

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

OllamaServer::OllamaServer()
    : registry(io.get_executor()),
      chat(registry, io.get_executor()),
      embed(registry),
      services{.registry = registry, .chat = chat, .embed = embed} {
    services.wall_clock = [] { return std::chrono::sys_days{std::chrono::January / 2 / 2026} + std::chrono::nanoseconds(5); };
    api::ollama::add_routes(router, services);
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
    RecordingExchange exchange(io.get_executor(), std::move(request), patience);
    bool finished = false;
    asio::co_spawn(io, (*match.handler)(exchange), [&](std::exception_ptr failure) {
        CHECK(failure == nullptr);
        finished = true;
    });
    io.restart();
    io.run();
    REQUIRE(finished);
    return std::move(exchange.answer);
}

}  // namespace weft::test
