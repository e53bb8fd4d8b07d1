#include "services/pending.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <catch2/catch_test_macros.hpp>

using namespace weft;
namespace asio = boost::asio;

namespace {

using Number = Pending<int>;

asio::awaitable<void> wait_into(Number pending, std::optional<Result<int>>& out) { out = co_await pending.wait(); }

asio::awaitable<void> wait_briefly_into(Number pending, bool& timed_out) {
    timed_out = !(co_await pending.wait_within(std::chrono::milliseconds{1})).has_value();
}

}  // namespace

TEST_CASE("a waiter gets the value, whether it comes before or after the wait begins") {
    for (const bool early : {true, false}) {
        asio::io_context io;
        const Number pending(io.get_executor());
        auto set = pending.setter();
        std::optional<Result<int>> got;
        if (early) set(5);
        asio::co_spawn(io, wait_into(pending, got), asio::detached);
        if (!early) asio::post(io, [&set] { set(5); });
        io.run();
        REQUIRE(got);
        CHECK(got->value() == 5);
    }
}

TEST_CASE("a wait with patience returns without the value, which can be waited for again") {
    asio::io_context io;
    const Number pending(io.get_executor());
    const auto set = pending.setter();
    bool timed_out = false;
    asio::co_spawn(io, wait_briefly_into(pending, timed_out), asio::detached);
    io.run();
    CHECK(timed_out);

    std::optional<Result<int>> got;
    asio::co_spawn(io, wait_into(pending, got), asio::detached);
    asio::post(io, [&set] { set(6); });
    io.restart();
    io.run();
    CHECK(got->value() == 6);
}

TEST_CASE("cancelling wakes the waiter, and a value that comes later is dropped") {
    asio::io_context io;
    const Number pending(io.get_executor());
    const auto set = pending.setter();
    std::optional<Result<int>> got;
    asio::co_spawn(io, wait_into(pending, got), asio::detached);
    asio::post(io, [pending] { pending.cancel(); });
    io.run();
    REQUIRE(got);
    CHECK(got->error().code == ErrorCode::cancelled);
    set(7);
    CHECK(pending.cancelled());
}

TEST_CASE("a setter that is dropped without a value does not leave its waiter hanging") {
    asio::io_context io;
    const Number pending(io.get_executor());
    std::optional<Result<int>> got;
    asio::co_spawn(io, wait_into(pending, got), asio::detached);
    asio::post(io, [set = pending.setter()] {});
    io.run();
    REQUIRE(got);
    CHECK(got->error().code == ErrorCode::shutting_down);
}
