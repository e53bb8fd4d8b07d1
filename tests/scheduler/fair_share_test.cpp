#include "scheduler/fair_share.h"

#include <catch2/catch_test_macros.hpp>
#include <map>
#include <random>

using namespace weft;

using Order = std::vector<std::size_t>;

TEST_CASE("tenants take turns however many requests one of them has queued") {
    // Six of tenant 0, then two of tenant 1.
    std::vector<QueuedView> waiting(6, {.tenant = 0, .cost = 10});
    waiting.insert(waiting.end(), 2, {.tenant = 1, .cost = 10});
    CHECK(fair_order(waiting, {0, 0}, 8) == Order{0, 6, 1, 7, 2, 3, 4, 5});
}

TEST_CASE("who was served less comes first, and what goes before it counts") {
    CHECK(fair_order({{.tenant = 0, .cost = 100}, {.tenant = 0, .cost = 100}, {.tenant = 1, .cost = 30}, {.tenant = 1, .cost = 30}},
                     {50, 0}, 4) == Order{2, 3, 0, 1});
}

TEST_CASE("priority goes before fairness, age decides within a tenant") {
    CHECK(fair_order({{.priority = 1, .tenant = 0}, {.priority = 0, .tenant = 1}, {.priority = 0, .tenant = 1}}, {0, 1000}, 9) ==
          Order{1, 2, 0});
}

TEST_CASE("no more are ordered than are asked for") {
    CHECK(fair_order(std::vector<QueuedView>(10), {0}, 3) == Order{0, 1, 2});
    CHECK(fair_order({}, {}, 3).empty());
}

TEST_CASE("a tenant that comes back has not saved up time") {
    FairShare share;
    share.enter("busy");
    share.charge("busy", 1000);
    share.enter("new");
    CHECK(share.served("new") == 1000);
    share.charge("busy", 500);
    CHECK(share.served("new") < share.served("busy"));
}

TEST_CASE("a tenant cannot lose what it was served by leaving for a moment") {
    FairShare share;
    share.enter("light");
    share.enter("heavy");
    share.charge("heavy", 1000);
    share.leave("heavy");
    share.enter("heavy");
    CHECK(share.served("heavy") == 1000);
    CHECK(share.served("light") == 0);
}

TEST_CASE("tenants that are even and gone are forgotten, and the others are bounded") {
    FairShare share;
    for (int i = 0; i < 10'000; ++i) {
        const auto name = "tenant " + std::to_string(i);
        share.enter(name);
        share.charge(name, i % 7);
        share.leave(name);
    }
    CHECK(share.size() <= 4097);
}

TEST_CASE("a lower priority makes room, its youngest first") {
    const std::vector<QueuedView> running{{.priority = 5}, {.priority = 0}, {.priority = 5}, {.priority = 0}};
    CHECK(choose_preempted(running, {.priority = 1}, {0}) == 2);
    CHECK(choose_preempted(running, {.priority = 5}, {0}) == std::nullopt);
}

TEST_CASE("who holds most places makes room for one who holds few, but not for its own requests") {
    const std::vector<QueuedView> running{{.tenant = 0}, {.tenant = 0}, {.tenant = 1}, {.tenant = 0}};
    CHECK(choose_preempted(running, {.tenant = 2}, {100, 50, 0}) == 3);
    CHECK(choose_preempted(running, {.tenant = 1}, {100, 50, 0}) == 3);
    CHECK(choose_preempted(running, {.tenant = 0}, {100, 50, 0}) == std::nullopt);
    CHECK(choose_preempted({{.tenant = 0}}, {.tenant = 1}, {100, 0}) == std::nullopt);
}

TEST_CASE("who was served less than the one that waits is left in its places") {
    CHECK(choose_preempted({{.tenant = 0}, {.tenant = 0}}, {.tenant = 1}, {10, 20}) == std::nullopt);
}

TEST_CASE("making room comes to an end: places even out") {
    std::mt19937 random(3);
    for (int round = 0; round < 200; ++round) {
        std::vector<QueuedView> running, waiting;
        for (int i = 0; i < 8; ++i) running.push_back({.tenant = random() % 3});
        for (int i = 0; i < 20; ++i) waiting.push_back({.tenant = random() % 3});
        int moves = 0;
        for (std::size_t i = 0; i < waiting.size();) {
            const auto victim = choose_preempted(running, waiting[i], {0, 0, 0});
            if (!victim) {
                ++i;
                continue;
            }
            std::swap(running[*victim], waiting[i]);
            REQUIRE(++moves < 100);
        }
    }
}
