#include "services/embed/embed_service.h"

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
    EmbedService service{registry};
    std::shared_ptr<test::FakeRunner> runner = registry.add("demo", {"embedding"});
};

asio::awaitable<void> embed_into(EmbedService& service, EmbedRequest request,
                                 std::optional<Result<EmbedOutcome>>& out, EmbedService::OnLeave on_leave = {}) {
    out = co_await service.embed("demo", std::move(request), KeepAlive{5}, std::move(on_leave));
}

Result<EmbedOutcome> run(Stage& stage, EmbedRequest request) {
    std::optional<Result<EmbedOutcome>> out;
    asio::co_spawn(stage.io, embed_into(stage.service, std::move(request), out), asio::detached);
    stage.io.restart();
    stage.io.run();
    REQUIRE(out);
    return std::move(*out);
}

}  // namespace

TEST_CASE("inputs come back as vectors in their order, with what loading took") {
    Stage stage;
    const auto outcome = run(stage, {.inputs = {"a b", "c"}});
    REQUIRE(outcome);
    CHECK(outcome->result.vectors.at(0) == stage.runner->vector_of("a b"));
    CHECK(outcome->result.vectors.at(1) == stage.runner->vector_of("c"));
    CHECK(outcome->load_duration == stage.registry.load_duration);
    CHECK(stage.registry.acquired.at(0).keep_alive == KeepAlive{5});
    CHECK(stage.registry.leases("demo") == 0);
}

TEST_CASE("more dimensions than the model has means all of them") {
    Stage stage;
    REQUIRE(run(stage, {.inputs = {"a"}, .dimensions = 5}));
    CHECK(stage.runner->embed_requests.at(0).dimensions == 0);
    REQUIRE(run(stage, {.inputs = {"a"}, .dimensions = 4}));
    CHECK(stage.runner->embed_requests.at(1).dimensions == 4);
}

TEST_CASE("a model that cannot embed, a failed load and a failed run are told") {
    Stage stage;
    stage.runner->told.embeds = false;
    CHECK(run(stage, {.inputs = {"a"}}).error().message == "\"demo:latest\" does not support embeddings");
    stage.runner->told.embeds = true;
    stage.runner->embed_fails = Error{.code = ErrorCode::engine_failed, .message = "crashed"};
    CHECK(run(stage, {.inputs = {"a"}}).error().code == ErrorCode::engine_failed);
    stage.registry.acquire_fails = Error{.code = ErrorCode::overloaded, .message = "full"};
    CHECK(run(stage, {.inputs = {"a"}}).error().code == ErrorCode::overloaded);
    CHECK(stage.registry.leases("demo") == 0);
}

TEST_CASE("a client that leaves takes its embedding with it") {
    Stage stage;
    stage.runner->embed_hangs = true;
    std::function<void()> leave;
    std::optional<Result<EmbedOutcome>> out;
    asio::co_spawn(stage.io, embed_into(stage.service, {.inputs = {"a"}}, out, [&](auto then) { leave = std::move(then); }), asio::detached);
    stage.io.poll();
    REQUIRE(leave);
    leave();
    stage.io.restart();
    stage.io.run();
    REQUIRE(out);
    CHECK(out->error().code == ErrorCode::cancelled);
    CHECK(stage.runner->cancelled_embeds == 1);
    CHECK_FALSE(leave);
    CHECK(stage.registry.leases("demo") == 0);
}
