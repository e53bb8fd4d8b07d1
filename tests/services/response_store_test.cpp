#include "services/responses/response_store.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <map>

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

// What a process leaves to the next one.
class FakeArchive final : public ResponseArchive {
  public:
    void put(ArchivedResponse response, Done done) override {
        if (full) return done(fail(ErrorCode::storage_full, "the disk is full"));
        const auto key = response.tenant + "/" + response.id;
        rows[key] = std::move(response);
        done(true);
    }
    void touch(std::string tenant, std::string id, std::int64_t used_s) override { rows.at(tenant + "/" + id).used_s = used_s; }
    void remove(std::string tenant, std::string id, Done done) override { done(rows.erase(tenant + "/" + id) > 0); }
    Result<void> recover(const std::function<bool(ArchivedResponse)>& take) override {
        std::vector<ArchivedResponse> all;
        for (const auto& [key, row] : rows) all.push_back(row);
        std::ranges::sort(all, std::ranges::greater(), &ArchivedResponse::used_s);
        for (const auto& row : all)
            if (!take(row)) rows.erase(row.tenant + "/" + row.id);
        return {};
    }

    std::map<std::string, ArchivedResponse> rows;
    bool full = false;
};

struct Process {
    Process(FakeArchive& archive, const HandClock& clock, std::int64_t unix_s, ResponseStore::Limits limits = {})
        : now_s(unix_s), store(clock, limits, {.archive = &archive, .unix_s = [this] { return now_s; }}) {
        REQUIRE(store.recover());
    }
    std::int64_t now_s;
    ResponseStore store;
};

}  // namespace

TEST_CASE("the next process goes on from what this one stored") {
    HandClock clock;
    FakeArchive archive;
    {
        Process first(archive, clock, 1000);
        auto one = response("a");
        one.tenant = "t";
        one.json = std::string("{\"bytes\":\"\0\"}", 13);
        first.store.put(std::move(one));
        auto two = response("b", "a");
        two.tenant = "t";
        first.store.put(std::move(two));
        first.store.put(response("gone"));
        CHECK(first.store.erase("", "gone"));
    }
    Process second(archive, clock, 1100);
    CHECK(second.store.size() == 2);
    const auto chain = second.store.chain("t", "b");
    REQUIRE(chain.size() == 2);
    CHECK(chain[0]->json == std::string("{\"bytes\":\"\0\"}", 13));
    CHECK(chain[1]->output.at(0).json == "[2]");
    CHECK(second.store.find_item("t", "in_a"));
    CHECK_FALSE(second.store.find("", "a"));
}

TEST_CASE("what was forgotten, is too old, or is broken does not come back") {
    HandClock clock;
    FakeArchive archive;
    {
        Process first(archive, clock, 1000, {.responses = 2});
        for (const auto* id : {"a", "b", "c"}) first.store.put(response(id));
        CHECK(archive.rows.size() == 2);
        first.now_s = 1000 + 3600;
        clock.time += 1h;
        CHECK(first.store.find("", "b"));  // the archive learns of it
    }
    archive.rows["/x"] = {.tenant = "", .id = "x", .used_s = 4600, .content = "not what was written"};
    Process second(archive, clock, 1000 + 25 * 3600);
    CHECK(second.store.size() == 1);
    CHECK(second.store.find("", "b"));
    CHECK(archive.rows.size() == 1);
}

TEST_CASE("the least recently used of another process make room first") {
    HandClock clock;
    FakeArchive archive;
    {
        Process first(archive, clock, 1000);
        for (const auto* id : {"a", "b", "c"}) {
            first.store.put(response(id));
            ++first.now_s;
        }
    }
    Process second(archive, clock, 2000, {.responses = 2});
    CHECK_FALSE(second.store.find("", "a"));
    second.store.put(response("d"));
    CHECK(second.store.find("", "c"));
    CHECK_FALSE(second.store.find("", "b"));
    CHECK(archive.rows.size() == 2);
}

TEST_CASE("a response that cannot be written down is kept in memory, and says so") {
    HandClock clock;
    FakeArchive archive;
    Process process(archive, clock, 1000);
    archive.full = true;
    Result<bool> outcome = true;
    process.store.put(response("a"), [&](Result<bool> put) { outcome = std::move(put); });
    CHECK(outcome.error().code == ErrorCode::storage_full);
    CHECK(process.store.find("", "a"));
}

TEST_CASE("a stored response is found by its id and by the ids of its items until it is erased") {
    const HandClock clock;
    ResponseStore store(clock);
    store.put(response("a"));
    REQUIRE(store.find("", "a"));
    CHECK(store.find("", "a")->output.at(0).id == "out_a");
    REQUIRE(store.find_item("", "in_a"));
    CHECK(store.find_item("", "in_a")->json == "[1]");
    CHECK(store.erase("", "a"));
    CHECK_FALSE(store.erase("", "a"));
    CHECK_FALSE(store.find("", "a"));
    CHECK_FALSE(store.find_item("", "in_a"));
    CHECK_FALSE(store.find_item("", "out_a"));
}

TEST_CASE("a chain is told oldest first, and is none when one of it is missing") {
    const HandClock clock;
    ResponseStore store(clock);
    store.put(response("a"));
    store.put(response("b", "a"));
    store.put(response("c", "b"));
    const auto chain = store.chain("", "c");
    REQUIRE(chain.size() == 3);
    CHECK(chain[0]->id == "a");
    CHECK(chain[2]->id == "c");
    CHECK(store.erase("", "b"));
    CHECK(store.chain("", "c").empty());
    CHECK(store.chain("", "nobody").empty());
}

TEST_CASE("a chain that leads back to itself ends") {
    const HandClock clock;
    ResponseStore store(clock, {.responses = 8});
    store.put(response("a", "b"));
    store.put(response("b", "a"));
    CHECK(store.chain("", "a").empty());
}

TEST_CASE("the least recently used responses make room, by number and by bytes") {
    const HandClock clock;
    ResponseStore few(clock, {.responses = 2});
    few.put(response("a"));
    few.put(response("b"));
    CHECK(few.find("", "a"));
    few.put(response("c"));
    CHECK(few.find("", "a"));
    CHECK_FALSE(few.find("", "b"));
    CHECK_FALSE(few.find_item("", "in_b"));

    const auto bytes = response("a").bytes();
    ResponseStore small(clock, {.bytes = 2 * bytes});
    small.put(response("a"));
    small.put(response("b"));
    small.put(response("c"));
    CHECK(small.size() == 2);
    CHECK_FALSE(small.find("", "a"));
    auto huge = response("d");
    huge.json.resize(3 * bytes);
    small.put(std::move(huge));
    CHECK_FALSE(small.find("", "d"));
    CHECK(small.size() == 2);
}

TEST_CASE("a response is forgotten when nobody has used it for long") {
    HandClock clock;
    ResponseStore store(clock, {.age = 1h});
    store.put(response("a"));
    store.put(response("b"));
    clock.time += 50min;
    CHECK(store.find("", "a"));
    clock.time += 50min;
    CHECK_FALSE(store.find("", "b"));
    CHECK(store.find("", "a"));
}

TEST_CASE("a response that is put again replaces the old one") {
    const HandClock clock;
    ResponseStore store(clock);
    store.put(response("a"));
    auto other = response("a");
    other.json = "{\"new\":1}";
    store.put(std::move(other));
    CHECK(store.size() == 1);
    CHECK(store.find("", "a")->json == "{\"new\":1}");
    CHECK(store.find_item("", "out_a"));
}

TEST_CASE("tenants do not find each other's responses and items, whatever ids they give them") {
    const HandClock clock;
    ResponseStore store(clock);
    auto one = response("a");
    one.tenant = "one";
    auto two = response("a");
    two.tenant = "two";
    two.json = "{\"two\":2}";
    store.put(std::move(one));
    store.put(std::move(two));
    CHECK(store.find("one", "a")->json == "{}");
    CHECK(store.find("two", "a")->json == "{\"two\":2}");
    CHECK_FALSE(store.find("", "a"));
    CHECK(store.erase("two", "a"));
    CHECK(store.find_item("one", "in_a"));
    CHECK_FALSE(store.find_item("two", "in_a"));
    CHECK(store.chain("two", "a").empty());
}
