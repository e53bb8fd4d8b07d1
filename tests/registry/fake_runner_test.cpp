#include "support/fake_runner.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

namespace weft::test {
namespace asio = boost::asio;

namespace {

struct Heard {
    std::string text;
    std::optional<FinishReason> finish;
    std::optional<GenerationDone> done;
    std::optional<Error> error;
};

asio::awaitable<void> listen(TokenStream stream, Heard& heard) {
    for (;;) {
        const GenerationEvent event = co_await stream.next();
        if (const auto* piece = std::get_if<TextPiece>(&event)) heard.text += piece->text;
        if (const auto* end = std::get_if<ChoiceFinished>(&event)) heard.finish = end->reason;
        if (const auto* done = std::get_if<GenerationDone>(&event)) heard.done = *done;
        if (const auto* error = std::get_if<Error>(&event)) heard.error = *error;
        if (is_last(event)) co_return;
    }
}

struct Scene {
    asio::io_context io{1};
    FakeRegistry registry{io.get_executor()};
    std::shared_ptr<FakeRunner> runner = registry.add("demo");
    Heard heard{};

    void run() {
        io.restart();
        io.poll();
    }
    void ask(GenerateRequest request = {.prompt = TextPrompt{"hi"}}) {
        asio::co_spawn(io, listen(runner->start(std::move(request)), heard), asio::detached);
        run();
    }
};

}  // namespace

TEST_CASE("a fake runner streams its script and remembers what it was asked") {
    Scene scene;
    scene.runner->answers("one two three");
    scene.ask({.prompt = TextPrompt{"count"}, .sampling = {.temperature = 0}});
    CHECK(scene.heard.text == "one two three");
    CHECK(scene.heard.finish == FinishReason::stop);
    REQUIRE(scene.heard.done);
    CHECK(scene.heard.done->completion_tokens == 3);
    CHECK(scene.runner->requests.at(0).sampling.temperature == 0);
    CHECK(scene.runner->running == 0);
    CHECK(scene.runner->cancelled == 0);
}

TEST_CASE("max_tokens cuts a script short") {
    Scene scene;
    scene.runner->answers("one two three");
    scene.ask({.prompt = TextPrompt{"count"}, .max_tokens = 2});
    CHECK(scene.heard.text == "one two");
    CHECK(scene.heard.finish == FinishReason::length);
}

TEST_CASE("a held request goes on when it is released") {
    Scene scene;
    scene.runner->next({.pieces = {"a"}, .hold = true});
    scene.ask();
    CHECK(scene.heard.text == "a");
    CHECK_FALSE(scene.heard.done);
    scene.runner->release();
    scene.run();
    CHECK(scene.heard.done);
}

TEST_CASE("a reader that leaves is counted as cancelled") {
    Scene scene;
    scene.runner->next({.hold = true});
    { TokenStream stream = scene.runner->start({.prompt = TextPrompt{"hi"}}); }
    scene.run();
    CHECK(scene.runner->cancelled == 1);
    CHECK(scene.runner->running == 0);
}

TEST_CASE("a long script pauses for a slow reader and loses nothing") {
    Scene scene;
    scene.runner->answers(Script{.pieces = std::vector<std::string>(1000, "x")});
    auto stream = std::make_optional(scene.runner->start({.prompt = TextPrompt{"hi"}}));
    scene.run();
    asio::co_spawn(scene.io, listen(std::move(*stream), scene.heard), asio::detached);
    scene.run();
    CHECK(scene.heard.text.size() == 1000);
    CHECK(scene.heard.done);
}

TEST_CASE("a script can fail at once or in the middle") {
    Scene scene;
    scene.runner->next({.refuse = Error{.code = ErrorCode::overloaded, .message = "full"}});
    scene.ask();
    CHECK(scene.heard.error->code == ErrorCode::overloaded);
    scene.runner->next({.pieces = {"a"}, .break_off = Error{.code = ErrorCode::engine_failed, .message = "gone"}});
    scene.ask();
    CHECK(scene.heard.text == "a");
    CHECK(scene.heard.error->code == ErrorCode::engine_failed);
}

TEST_CASE("fake vectors depend on the text only and have length one") {
    Scene scene;
    Result<EmbedResult> got = fail(ErrorCode::internal, "not called");
    scene.runner->embed({.inputs = {"one text", "other", "one text"}}, [&](auto result) { got = std::move(result); });
    CHECK_FALSE(got);  // never called back from inside
    scene.run();
    REQUIRE(got);
    CHECK(got->vectors.at(0) == got->vectors.at(2));
    CHECK(got->vectors.at(0) != got->vectors.at(1));
    CHECK(got->vectors.at(0) == scene.runner->vector_of("one text"));
    float squares = 0;
    for (const float v : got->vectors[0]) squares += v * v;
    CHECK(std::abs(squares - 1) < 1e-5F);
    CHECK(got->tokens == std::vector<std::uint32_t>{2, 1, 2});
}

TEST_CASE("a fake registry resolves names, counts leases and writes down what was asked") {
    Scene scene;
    CHECK(scene.registry.find("DEMO:latest"));
    CHECK(scene.registry.find("nope").error().message == "model 'nope' not found");
    CHECK(scene.registry.resident().empty());
    RunnerLease lease;
    scene.registry.acquire({.model = "Demo"}, [&](Result<RunnerLease> got) { lease = std::move(*got); });
    scene.run();
    REQUIRE(lease);
    CHECK(scene.registry.leases("demo") == 1);
    CHECK(scene.registry.acquired.at(0).model == "Demo");
    CHECK(scene.registry.resident().at(0).leases == 1);
    lease = {};
    CHECK(scene.registry.leases("demo") == 0);
}

}  // namespace weft::test
