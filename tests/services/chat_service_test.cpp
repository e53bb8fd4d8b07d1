#include "services/chat/chat_service.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>

#include "support/fake_runner.h"

using namespace weft;
namespace asio = boost::asio;

namespace {

struct Stage {
    asio::io_context io;
    test::FakeRegistry registry{io.get_executor()};
    ChatService chat{registry, io.get_executor()};
    std::shared_ptr<test::FakeRunner> runner = registry.add("demo", {"completion"});
};

ChatRequest hello(std::string model = "demo") {
    ChatRequest request{.model = std::move(model)};
    request.generate.prompt = ChatPrompt{.messages = {{.role = "user", .content = "Hi"}}};
    return request;
}

struct Told {
    std::optional<Error> error;
    std::string text;
    bool done = false;
};

asio::awaitable<void> listen(ChatService& chat, ChatRequest request, Told& told) {
    auto reply = co_await chat.start(std::move(request));
    if (!reply) {
        told.error = reply.error();
        co_return;
    }
    for (bool ended = false; !ended;) {
        auto event = co_await reply->events.next();
        ended = is_last(event);
        if (const auto* piece = std::get_if<TextPiece>(&event)) told.text += piece->text;
        if (const auto* error = std::get_if<Error>(&event)) told.error = *error;
        told.done = std::holds_alternative<GenerationDone>(event);
    }
}

Told run(Stage& stage, ChatRequest request) {
    Told told;
    asio::co_spawn(stage.io, listen(stage.chat, std::move(request), told), asio::detached);
    stage.io.restart();
    stage.io.run();
    return told;
}

asio::awaitable<void> load_into(ChatService& chat, std::optional<Result<RunnerLease>>& out) {
    out = co_await chat.load("demo", KeepAlive{0}, 2048);
}

}  // namespace

TEST_CASE("a generation starts once its model is loaded and runs to its end") {
    Stage stage;
    stage.runner->answers("Hello there!");
    const auto told = run(stage, hello());
    CHECK(told.text == "Hello there!");
    CHECK(told.done);
    CHECK(stage.registry.leases("demo") == 0);
}

TEST_CASE("keep_alive and the window reach the registry, the window the runner too") {
    Stage stage;
    auto request = hello();
    request.keep_alive = std::chrono::seconds{30};
    request.overrides.context_tokens = 1024;
    CHECK(run(stage, std::move(request)).done);
    REQUIRE(stage.registry.acquired.size() == 1);
    CHECK(stage.registry.acquired[0].keep_alive == std::chrono::seconds{30});
    CHECK(stage.registry.acquired[0].context_tokens == 1024);
    CHECK(stage.runner->requests.at(0).context_tokens == 1024);
}

TEST_CASE("what a model cannot do is refused without loading it") {
    Stage stage;
    stage.registry.add("embedder", {"embedding"});
    auto told = run(stage, hello("embedder"));
    REQUIRE(told.error);
    CHECK(told.error->code == ErrorCode::unsupported);
    CHECK(told.error->message == "\"embedder:latest\" does not support chat");

    auto thinking = hello();
    std::get<ChatPrompt>(thinking.generate.prompt).thinking = true;
    CHECK(run(stage, std::move(thinking)).error->message.contains("does not support thinking"));
    auto tools = hello();
    std::get<ChatPrompt>(tools.generate.prompt).tools_json = {"{}"};
    CHECK(run(stage, std::move(tools)).error->message.contains("does not support tools"));
    auto infill = hello();
    infill.generate.prompt = InfillPrompt{"a", "b"};
    CHECK(run(stage, std::move(infill)).error->message.contains("does not support insert"));
    CHECK(stage.registry.acquired.empty());
}

TEST_CASE("an unknown model, a failed load and a refused prompt are told") {
    Stage stage;
    CHECK(run(stage, hello("nobody")).error->code == ErrorCode::not_found);
    stage.registry.acquire_fails = Error{.code = ErrorCode::model_load_failed, .message = "broken"};
    CHECK(run(stage, hello()).error->code == ErrorCode::model_load_failed);
    stage.registry.acquire_fails.reset();
    stage.runner->next({.refuse = Error{.code = ErrorCode::context_overflow, .message = "too long"}});
    CHECK(run(stage, hello()).error->code == ErrorCode::context_overflow);
}

TEST_CASE("a client who leaves while the model loads starts no generation and holds no lease") {
    Stage stage;
    {
        const auto pending = stage.chat.begin(hello());
        pending.cancel();
    }
    stage.io.run();
    CHECK(stage.registry.acquired.size() == 1);
    CHECK(stage.runner->requests.empty());
    CHECK(stage.registry.leases("demo") == 0);
}

TEST_CASE("a reply that nobody takes is cancelled") {
    Stage stage;
    stage.runner->next({.hold = true});
    { const auto pending = stage.chat.begin(hello()); }
    stage.io.run();
    CHECK(stage.runner->requests.size() == stage.runner->cancelled);
    CHECK(stage.registry.leases("demo") == 0);
}

TEST_CASE("loading alone generates nothing") {
    Stage stage;
    std::optional<Result<RunnerLease>> lease;
    asio::co_spawn(stage.io, load_into(stage.chat, lease), asio::detached);
    stage.io.run();
    REQUIRE(lease);
    CHECK(lease->has_value());
    CHECK(stage.registry.leases("demo") == 1);
    CHECK(stage.registry.acquired.at(0).context_tokens == 2048);
    CHECK(stage.registry.acquired.at(0).keep_alive == KeepAlive{0});
    CHECK(stage.runner->requests.empty());
}
