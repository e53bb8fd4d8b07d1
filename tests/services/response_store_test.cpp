#include "services/responses/response_store.h"

#include <catch2/catch_test_macros.hpp>

using namespace weft;
using namespace std::chrono_literals;

namespace {

class HandClock final : public Clock {
  public:
    [[nodiscard]] TimePoint now() const override { return time; }
    TimePoint time{TimePoint{} + 1000h};
};

StoredResponse response(const std::string& id, const std::string& previous = "") {
    return {.id = id,
            .json = "{}",
            .previous_id = previous,
            .input = {{.id = "in_" + id, .json = "[1]"}},
            .output = {{.id = "out_" + id, .json = "[2]"}}};
}

}  // namespace

TEST_CASE("a stored response is found by its id and by the ids of its items until it is erased") {
    const HandClock clock;
    ResponseStore store(clock);
    store.put(response("a"));
    REQUIRE(store.find("a"));
    CHECK(store.find("a")->output.at(0).id == "out_a");
    REQUIRE(store.find_item("in_a"));
    CHECK(store.find_item("in_a")->json == "[1]");
    CHECK(store.erase("a"));
    CHECK_FALSE(store.erase("a"));
    CHECK_FALSE(store.find("a"));
    CHECK_FALSE(store.find_item("in_a"));
    CHECK_FALSE(store.find_item("out_a"));
}

TEST_CASE("a chain is told oldest first, and is none when one of it is missing") {
    const HandClock clock;
    ResponseStore store(clock);
    store.put(response("a"));
    store.put(response("b", "a"));
    store.put(response("c", "b"));
    const auto chain = store.chain("c");
    REQUIRE(chain.size() == 3);
    CHECK(chain[0]->id == "a");
    CHECK(chain[2]->id == "c");
    CHECK(store.erase("b"));
    CHECK(store.chain("c").empty());
    CHECK(store.chain("nobody").empty());
}

TEST_CASE("a chain that leads back to itself ends") {
    const HandClock clock;
    ResponseStore store(clock, {.responses = 8});
    store.put(response("a", "b"));
    store.put(response("b", "a"));
    CHECK(store.chain("a").empty());
}

TEST_CASE("the least recently used responses make room, by number and by bytes") {
    const HandClock clock;
    ResponseStore few(clock, {.responses = 2});
    few.put(response("a"));
    few.put(response("b"));
    CHECK(few.find("a"));
    few.put(response("c"));
    CHECK(few.find("a"));
    CHECK_FALSE(few.find("b"));
    CHECK_FALSE(few.find_item("in_b"));

    const auto bytes = response("a").bytes();
    ResponseStore small(clock, {.bytes = 2 * bytes});
    small.put(response("a"));
    small.put(response("b"));
    small.put(response("c"));
    CHECK(small.size() == 2);
    CHECK_FALSE(small.find("a"));
    auto huge = response("d");
    huge.json.resize(3 * bytes);
    small.put(std::move(huge));
    CHECK_FALSE(small.find("d"));
    CHECK(small.size() == 2);
}

TEST_CASE("a response is forgotten when nobody has used it for long") {
    HandClock clock;
    ResponseStore store(clock, {.age = 1h});
    store.put(response("a"));
    store.put(response("b"));
    clock.time += 50min;
    CHECK(store.find("a"));
    clock.time += 50min;
    CHECK_FALSE(store.find("b"));
    CHECK(store.find("a"));
}

TEST_CASE("a response that is put again replaces the old one") {
    const HandClock clock;
    ResponseStore store(clock);
    store.put(response("a"));
    auto other = response("a");
    other.json = "{\"new\":1}";
    store.put(std::move(other));
    CHECK(store.size() == 1);
    CHECK(store.find("a")->json == "{\"new\":1}");
    CHECK(store.find_item("out_a"));
}
