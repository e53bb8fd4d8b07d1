// What a .case file cannot say: time passing, clients leaving, how much goes out in one write.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <catch2/catch_test_macros.hpp>

#include "api/openai/errors.h"
#include "api/openai/routes.h"
#include "support/fake_exchange.h"
#include "support/fake_runner.h"

using namespace weft;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using End = test::FakeExchange::End;

namespace {

void rethrow(std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
}

// A registry whose loads wait for the test.
class SlowRegistry final : public Registry {
  public:
    explicit SlowRegistry(test::FakeRegistry& inner) : inner_(inner) {}
    void let_go() {
        for (auto& [request, done] : std::exchange(waiting_, {})) inner_.acquire(std::move(request), std::move(done));
    }
    bool slow = false;

    std::vector<std::shared_ptr<const ModelInfo>> list() override { return inner_.list(); }
    Result<std::shared_ptr<const ModelInfo>> find(const std::string& name) override { return inner_.find(name); }
    void acquire(AcquireRequest request, std::function<void(Result<RunnerLease>)> done) override {
        if (slow)
            waiting_.emplace_back(std::move(request), std::move(done));
        else
            inner_.acquire(std::move(request), std::move(done));
    }
    std::vector<ResidentModel> resident() override { return inner_.resident(); }
    Result<void> unload(const std::string& name) override { return inner_.unload(name); }

  private:
    test::FakeRegistry& inner_;
    std::vector<std::pair<AcquireRequest, std::function<void(Result<RunnerLease>)>>> waiting_;
};

struct Stage {
    asio::io_context io;
    SteadyClock clock;
    test::FakeRegistry models{io.get_executor()};
    SlowRegistry registry{models};
    std::shared_ptr<test::FakeRunner> runner = models.add("demo", {"completion", "embedding"});
    ChatService chat{registry, io.get_executor()};
    EmbedService embed{registry};
    api::openai::Services services{.registry = registry, .chat = chat, .embed = embed, .clock = clock};
    http::Router router;
    std::unique_ptr<test::FakeExchange> exchange;

    // After the durations are set.
    void post(const std::string& path, std::string body) {
        api::openai::add_routes(router, services);
        exchange = std::make_unique<test::FakeExchange>(
            io.get_executor(), http::Request{.method = "POST", .path = path, .body = std::move(body)});
        const auto match = router.find("POST", path);
        REQUIRE(match.handler);
        asio::co_spawn(io, (*match.handler)(*exchange), rethrow);
        io.restart();
    }
    void chat_stream() {
        post("/v1/chat/completions", R"({"model":"demo","messages":[{"role":"user","content":"Hi"}],"stream":true})");
    }
    void chat_whole() {
        post("/v1/chat/completions", R"({"model":"demo","messages":[{"role":"user","content":"Hi"}]})");
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
    [[nodiscard]] bool idle() const { return runner->running == 0 && models.leases("demo") == 0; }
};

constexpr std::string_view comment = ": keep-alive\n\n";

}  // namespace

TEST_CASE("a stream whose model takes long to load sends its head and keep-alive comments meanwhile") {
    Stage stage;
    stage.registry.slow = true;
    stage.services.head_patience = 1ms;
    stage.services.keep_alive_interval = 1ms;
    stage.chat_stream();
    stage.run_until([&] { return stage.exchange->writes.size() >= 3; });
    CHECK(stage.exchange->answer.status == 200);
    CHECK(stage.exchange->writes[0] == comment);
    CHECK(stage.exchange->writes[2] == comment);
    stage.registry.let_go();
    stage.run_until([&] { return stage.exchange->end == End::finished; });
    CHECK(stage.exchange->answer.body.ends_with("data: [DONE]\n\n"));
    CHECK_FALSE(stage.exchange->answer.body.contains(": ping"));
}

TEST_CASE("an error after the head was sent for patience is an event, not a status") {
    Stage stage;
    stage.registry.slow = true;
    stage.services.head_patience = 1ms;
    stage.models.acquire_fails = Error{.code = ErrorCode::model_load_failed, .message = "broken"};
    stage.chat_stream();
    stage.run_until([&] { return stage.exchange->writes.size() >= 1; });
    stage.registry.let_go();
    stage.run_until([&] { return stage.exchange->end != End::open; });
    CHECK(stage.exchange->end == End::finished);
    CHECK(stage.exchange->answer.body.contains(R"(data: {"error":{"message":"broken")"));
    CHECK_FALSE(stage.exchange->answer.body.contains("choices"));
    CHECK_FALSE(stage.exchange->answer.body.contains("[DONE]"));
}

TEST_CASE("silence in the middle of a stream is filled with comments") {
    Stage stage;
    stage.services.keep_alive_interval = 1ms;
    stage.runner->next({.pieces = {"a"}, .hold = true});
    stage.chat_stream();
    stage.run_until([&] { return stage.exchange->answer.body.contains(comment); });
    stage.runner->release();
    stage.run_until([&] { return stage.exchange->end == End::finished; });
    CHECK(stage.idle());
}

TEST_CASE("a client who leaves ends its generation, streamed or not") {
    for (const bool streamed : {true, false}) {
        Stage stage;
        stage.runner->next({.pieces = {"a"}, .hold = true});
        if (streamed)
            stage.chat_stream();
        else
            stage.chat_whole();
        stage.run_until([&] { return stage.runner->running == 1; });
        for (int i = 0; i < 20; ++i) stage.io.poll(), stage.io.restart();
        stage.exchange->leave();
        stage.run_until([&] { return stage.idle(); });
        CHECK(stage.runner->cancelled == 1);
        CHECK(stage.exchange->replies == 0);
        CHECK_FALSE(stage.exchange->answer.body.contains("error"));
    }
}

TEST_CASE("a client who leaves while the model loads starts nothing, streamed or not") {
    for (const bool streamed : {true, false}) {
        Stage stage;
        stage.registry.slow = true;
        if (streamed)
            stage.chat_stream();
        else
            stage.chat_whole();
        stage.io.poll();
        stage.exchange->leave();
        for (int i = 0; i < 20; ++i) stage.io.restart(), stage.io.poll();
        stage.registry.let_go();
        stage.run_until([&] { return stage.idle(); });
        CHECK(stage.runner->requests.empty());
        CHECK(stage.exchange->replies == 0);
        CHECK(stage.exchange->writes.empty());
    }
}

TEST_CASE("several prompts of which the client leaves the first are all cancelled") {
    Stage stage;
    stage.runner->answers(test::Script{.pieces = {"a"}, .hold = true});
    stage.post("/v1/completions", R"({"model":"demo","prompt":["a","b","c"],"stream":true})");
    stage.run_until([&] { return stage.runner->running == 3; });
    for (int i = 0; i < 20; ++i) stage.io.restart(), stage.io.poll();
    stage.exchange->leave();
    stage.run_until([&] { return stage.idle(); });
    CHECK(stage.runner->cancelled == 3);
}

TEST_CASE("all prompts of a request are answered, also those beyond the ones asked for ahead") {
    Stage stage;
    std::string prompts;
    for (int i = 0; i < 30; ++i) prompts += (i ? ",\"" : "\"") + std::to_string(i) + "\"";
    stage.runner->answers([](const GenerateRequest& request) {
        return test::Script{.pieces = {" of " + std::get<TextPrompt>(request.prompt).text}};
    });
    stage.post("/v1/completions", R"({"model":"demo","prompt":[)" + prompts + "]}");
    stage.run_until([&] { return stage.exchange->end == End::replied; });
    CHECK(stage.exchange->answer.body.contains(R"({"text":" of 0","index":0,)"));
    CHECK(stage.exchange->answer.body.contains(R"({"text":" of 29","index":29,)"));
    CHECK(stage.runner->requests.size() == 30);
}

TEST_CASE("the candidates with the best mean log probability are answered") {
    // FakeRunner's candidates are all alike; the ranking itself is tested with CompletionAnswer.
    Stage stage;
    stage.post("/v1/completions", R"({"model":"demo","prompt":"a","best_of":4,"n":2})");
    stage.run_until([&] { return stage.exchange->end == End::replied; });
    CHECK(stage.runner->requests.at(0).choices == 4);
    CHECK(stage.exchange->answer.body.contains(R"("index":1,)"));
    CHECK_FALSE(stage.exchange->answer.body.contains(R"("index":2,)"));
    CHECK(stage.exchange->answer.body.contains(R"("completion_tokens":8,)"));
}

TEST_CASE("a response goes on from the one it names, until that is forgotten") {
    Stage stage;
    stage.post("/v1/responses", R"({"model":"demo","input":"Hi"})");
    stage.run_until([&] { return stage.exchange->end == End::replied; });
    const auto id = stage.exchange->answer.body.substr(std::string(R"({"id":")").size(), std::string("resp_").size() + 24);
    const auto next = R"({"model":"demo","input":"And?","store":false,"previous_response_id":")" + id + "\"}";
    stage.post("/v1/responses", next);
    stage.run_until([&] { return stage.exchange->end == End::replied; });
    CHECK(stage.exchange->answer.status == 200);
    const auto& messages = std::get<ChatPrompt>(stage.runner->requests.at(1).prompt).messages;
    REQUIRE(messages.size() == 3);
    CHECK(messages[0].content == "Hi");
    CHECK(messages[1].role == "assistant");
    CHECK(messages[1].content == "Hello there!");
    CHECK(messages[2].content == "And?");
    CHECK(stage.services.responses->size() == 1);
    CHECK(stage.services.responses->erase("", id));
    stage.post("/v1/responses", next);
    stage.run_until([&] { return stage.exchange->end == End::replied; });
    CHECK(stage.exchange->answer.status == 400);
    CHECK(stage.exchange->answer.body.contains(R"("code":"previous_response_not_found")"));
}

TEST_CASE("ids are fresh and long, times are now") {
    const auto a = api::random_id("chatcmpl-");
    const auto b = api::random_id("chatcmpl-");
    CHECK(a != b);
    CHECK(a.starts_with("chatcmpl-"));
    CHECK(a.size() == std::string("chatcmpl-").size() + 24);
    CHECK(api::system_unix_time() > 1'700'000'000);
}

TEST_CASE("the transport's refusals have this dialect's shape") {
    using api::openai::transport_error;
    CHECK(
        transport_error(404, "GET", "/v1/x").body ==
        R"({"error":{"message":"Unknown request URL: GET /v1/x.","type":"invalid_request_error","param":null,"code":null}})");
    CHECK(transport_error(405, "PUT", "/v1/models").body.contains(R"("code":"method_not_supported")"));
    CHECK(transport_error(413, "POST", "/v1/x").body.contains(R"("code":"request_too_large")"));
    CHECK(transport_error(415, "POST", "/v1/x").body.contains(R"("code":"unsupported_media_type")"));
    CHECK(transport_error(403, "POST", "/v1/x")
              .body.contains(R"("type":"permission_error","param":null,"code":"forbidden")"));
    CHECK(transport_error(500, "POST", "/v1/x").body.contains(R"("type":"server_error")"));
    CHECK(transport_error(400, "POST", "/v1/x").body.contains(R"("type":"invalid_request_error")"));
    CHECK(transport_error(404, "GET", "/v1/\"\n").body.contains(R"(/v1/\"\n)"));
}
