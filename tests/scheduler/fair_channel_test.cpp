#include "scheduler/fair_channel.h"

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <thread>
#include <vector>

using weft::FairChannel;

namespace {

std::vector<int> drained(FairChannel<int>& channel, std::size_t n) {
    std::vector<int> values;
    for (std::size_t i = 0; i < n; ++i) values.push_back(channel.pop()->second);
    return values;
}

}  // namespace

TEST_CASE("owners take turns, each in the order of its values") {
    FairChannel<int> channel(10);
    for (int i = 1; i <= 4; ++i) CHECK(channel.try_push("many", int{i}));
    CHECK(channel.try_push("few", 10));
    CHECK(channel.try_push("one", 20));
    CHECK(channel.try_push("few", 11));
    CHECK(drained(channel, 7) == std::vector{1, 10, 20, 2, 11, 3, 4});
}

TEST_CASE("what is put back is its owner's next, behind the others' turn") {
    FairChannel<int> channel(3);
    CHECK(channel.try_push("a", 1));
    CHECK(channel.try_push("a", 2));
    CHECK(channel.try_push("b", 3));
    auto taken = channel.pop();
    REQUIRE(taken);
    CHECK(taken->first == "a");
    CHECK(channel.try_push("b", 4));
    channel.put_back("a", 1);  // beyond the capacity: it was inside already
    CHECK(drained(channel, 4) == std::vector{3, 1, 4, 2});
}

TEST_CASE("a full channel takes nothing and leaves the value with its giver") {
    FairChannel<std::unique_ptr<int>> channel(1);
    CHECK(channel.try_push("a", std::make_unique<int>(1)));
    auto second = std::make_unique<int>(2);
    CHECK_FALSE(channel.try_push("b", std::move(second)));
    CHECK(second);
    CHECK(*channel.pop()->second == 1);
    CHECK(channel.try_push("b", std::move(second)));
}

TEST_CASE("closing ends whoever waits, and what waits is dropped") {
    FairChannel<int> channel(4);
    std::thread waiting([&] { CHECK_FALSE(channel.pop()); });
    channel.close();
    waiting.join();
    CHECK_FALSE(channel.try_push("a", 1));
    CHECK_FALSE(channel.pop());
}
