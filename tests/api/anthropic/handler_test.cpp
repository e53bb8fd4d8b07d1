#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>

#include "api/anthropic/errors.h"
#include "api/anthropic/routes.h"
#include "api/anthropic/thinking.h"
#include "support/fake_exchange.h"
#include "support/fake_runner.h"

using namespace weft;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using test::FakeExchange;
using End = FakeExchange::End;

namespace {

void rethrow(std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
}

struct Stage {
    asio::io_context io;
    test::FakeRegistry registry{io.get_executor()};
    std::shared_ptr<test::FakeRunner> runner = registry.add("demo", {"completion"});
    ChatService chat{registry, io.get_executor()};
    api::anthropic::Services services{.registry = registry, .chat = chat};
    http::Router router;
    std::unique_ptr<FakeExchange> exchange;

    // After the durations are set.
    void post(std::string body) {
        api::anthropic::add_routes(router, services);
        exchange = std::make_unique<FakeExchange>(
            io.get_executor(),
            http::Request{.method = "POST", .path = "/v1/messages", .body = std::move(body), .id = "req_1"});
        const auto match = router.find("POST", "/v1/messages");
        REQUIRE(match.handler);
        asio::co_spawn(io, (*match.handler)(*exchange), rethrow);
        io.restart();
    }
    void ask(bool streamed) {
        post(std::string(R"({"model":"demo","max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"stream":)") +
             (streamed ? "true}" : "false}"));
    }

    // Until it holds; a test that waits in vain fails.
    template <typename Condition>
    void run_until(Condition holds) {
        const auto limit = std::chrono::steady_clock::now() + 20s;
        while (!holds() && std::chrono::steady_clock::now() < limit) {
            io.restart();
            io.run_one_for(10ms);
        }
        REQUIRE(holds());
    }
    [[nodiscard]] bool idle() const { return runner->running == 0 && registry.leases("demo") == 0; }
};

}  // namespace

TEST_CASE("silence in the middle of a message is filled with pings") {
    Stage stage;
    stage.services.keep_alive_interval = 1ms;
    stage.runner->next({.pieces = {"a"}, .hold = true});
    stage.ask(true);
    stage.run_until([&] { return stage.exchange->writes.size() >= 4; });
    CHECK(stage.exchange->writes.back() == "event: ping\ndata: {\"type\":\"ping\"}\n\n");
    stage.runner->release();
    stage.run_until([&] { return stage.exchange->end == End::finished; });
    CHECK(stage.exchange->answer.body.ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"));
    CHECK(stage.idle());
}

TEST_CASE("a client who leaves ends its message, streamed or not") {
    for (const bool streamed : {true, false}) {
        Stage stage;
        stage.runner->next({.pieces = {"a"}, .hold = true});
        stage.ask(streamed);
        stage.run_until([&] { return stage.runner->running == 1; });
        for (int i = 0; i < 20; ++i) stage.io.poll(), stage.io.restart();
        stage.exchange->leave();
        stage.run_until([&] { return stage.idle(); });
        CHECK(stage.runner->cancelled == 1);
        CHECK(stage.exchange->replies == 0);
        CHECK_FALSE(stage.exchange->answer.body.contains("error"));
    }
}

TEST_CASE("a signature depends on the thinking and is never empty") {
    using api::anthropic::signature_of;
    CHECK(signature_of("a") == signature_of("a"));
    CHECK(signature_of("a") != signature_of("b"));
    CHECK(signature_of("").size() == 24);
    CHECK(signature_of("a").ends_with("=="));
}

TEST_CASE("the transport's refusals have this dialect's shape, with the id of the request in header and body") {
    const http::Request request{.method = "GET", .path = "/v1/messages", .id = "req_1"};
    CHECK(api::anthropic::speaks_anthropic(request));
    const auto response = api::anthropic::transport_error(405, request);
    CHECK(response.status == 405);
    CHECK(response.body ==
          R"({"type":"error","error":{"type":"invalid_request_error","message":"Method not allowed: GET /v1/messages. )"
          R"(The Allow header names the methods of this path."},"request_id":"req_1"})");
    CHECK(response.headers == http::Headers{{"request-id", "req_1"}});
    CHECK(api::anthropic::transport_error(413, request).body.contains(R"("type":"request_too_large")"));
    CHECK(api::anthropic::transport_error(503, request).body.contains(R"("type":"overloaded_error")"));
}

TEST_CASE("which dialect a request for models is in depends on its header") {
    http::Request request{.method = "GET", .path = "/v1/models"};
    CHECK_FALSE(api::anthropic::speaks_anthropic(request));
    request.headers.emplace_back("anthropic-version", "2023-06-01");
    CHECK(api::anthropic::speaks_anthropic(request));
    request.path = "/v1/chat/completions";
    CHECK_FALSE(api::anthropic::speaks_anthropic(request));
}
