#include "scheduler/prefix_cache.h"

#include <catch2/catch_test_macros.hpp>

using namespace weft;

TEST_CASE("who was idle longest is evicted, and not what frees nothing") {
    CHECK(choose_victim({{.idle = 5, .freed_cells = 1}, {.idle = 9, .freed_cells = 1}, {.idle = 20, .freed_cells = 0}}) == 1);
    CHECK(choose_victim({{.idle = 5}, {.idle = 9}}) == 1);
    CHECK(choose_victim({}) == std::nullopt);
}

TEST_CASE("what was of use before stays longer, what can be copied back goes sooner") {
    CHECK(choose_victim({{.idle = 8, .hits = 3, .freed_cells = 1}, {.idle = 4, .freed_cells = 1}}) == 1);
    CHECK(choose_victim({{.idle = 40, .hits = 99, .freed_cells = 1}, {.idle = 4, .freed_cells = 1}}) == 0);
    CHECK(choose_victim({{.idle = 8, .freed_cells = 1}, {.idle = 6, .freed_cells = 1, .spilled = true}}) == 1);
}

TEST_CASE("an entry that begins like another one replaces it, or is covered by it") {
    PrefixCache cache;
    CHECK(cache.insert({.id = SequenceId{0}, .tokens = {1, 2, 3}}).empty());
    CHECK(cache.insert({.id = SequenceId{1}, .tokens = {1, 2, 3, 4}}) == std::vector{SequenceId{0}});
    CHECK(cache.insert({.id = SequenceId{2}, .tokens = {1, 2}}) == std::vector{SequenceId{2}});
    CHECK(cache.insert({.id = SequenceId{3}, .tokens = {1, 2}, .scope = "other"}).empty());
    CHECK(cache.size() == 2);
}

TEST_CASE("the longest common beginning is found, within its own scope only") {
    PrefixCache cache;
    (void)cache.insert({.id = SequenceId{0}, .tokens = {1, 2, 3, 4}, .scope = "a"});
    (void)cache.insert({.id = SequenceId{1}, .tokens = {1, 2, 9}, .scope = "a"});
    const std::vector<Token> prompt{1, 2, 9, 9};
    const auto match = cache.find(prompt, 3, "a");
    CHECK(match.tokens == 3);
    CHECK(match.holder == SequenceId{1});
    CHECK(match.whole);
    CHECK_FALSE(cache.find(prompt, 2, "a").whole);
    CHECK(cache.find(prompt, 3, "b").tokens == 0);
}
