#include "scheduler/step_cost.h"

#include <catch2/catch_test_macros.hpp>
#include <random>

using namespace weft;

namespace {

// A machine: 30 ms a call, 1 ms a prompt token, 2 ms for each thousand cells that it looks at.
Duration takes(const StepWork& work, double noise = 1) {
    const double ms = 30 + work.prefill_tokens * 1.0 + work.prefill_cells / 1000 * 2.0;
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::milli>(ms * noise));
}

StepWork chunk(std::int32_t tokens, std::int32_t depth) { return {.prefill_tokens = tokens, .prefill_cells = tokens * (depth + tokens / 2.0)}; }

}  // namespace

TEST_CASE("before the first prompt a step cost knows nothing, and says so") {
    StepCost cost;
    CHECK_FALSE(cost.known());
    cost.learn({}, std::chrono::milliseconds(30));
    cost.learn({.prefill_tokens = 3, .prefill_cells = 9}, std::chrono::milliseconds(40));
    CHECK_FALSE(cost.known());
    CHECK(cost.tokens_within(std::chrono::seconds(1)) == 0);
    CHECK(cost.token_weight(5000) == 1);
}

TEST_CASE("a long prompt's chunks shrink as it deepens, so that every step keeps to its time") {
    StepCost cost;
    for (int i = 0; i < 5; ++i) cost.learn({}, takes({}));
    cost.learn(chunk(64, 0), takes(chunk(64, 0)));
    std::int32_t depth = 64;
    while (depth < 8000) {
        const auto limit = std::chrono::milliseconds(250);
        const auto tokens = std::max(8, static_cast<std::int32_t>(cost.tokens_within(limit) / cost.token_weight(depth)));
        const auto took = takes(chunk(tokens, depth));
        if (depth > 1000) CHECK(took < std::chrono::milliseconds(300));
        if (depth > 1000) CHECK(took > std::chrono::milliseconds(200));
        cost.learn(chunk(tokens, depth), took);
        depth += tokens;
    }
    // Calls that are all as deep leave open what is the tokens' and what the cells'; a new prompt's chunks must not be too large.
    CHECK(cost.token_weight(8000) > 5);
    CHECK(cost.token_weight(8000) < 17.1);
}

TEST_CASE("short prompts in between do not make a long one's chunks too large") {
    StepCost cost;
    std::mt19937 random(1);
    std::uniform_real_distribution<double> noise(0.9, 1.1);
    for (int i = 0; i < 200; ++i) {
        cost.learn({}, takes({}, noise(random)));
        const auto work = i % 3 == 0 ? chunk(20, 6000) : chunk(32, 0);
        cost.learn(work, takes(work, noise(random)));
    }
    const auto tokens = static_cast<std::int32_t>(cost.tokens_within(std::chrono::milliseconds(250)) / cost.token_weight(6000));
    CHECK(takes(chunk(tokens, 6000)) < std::chrono::milliseconds(300));
    CHECK(takes(chunk(tokens, 6000)) > std::chrono::milliseconds(200));
}

TEST_CASE("noise never makes a token free or a cell gain time") {
    StepCost cost;
    std::mt19937 random(7);
    std::uniform_real_distribution<double> noise(0.2, 5);
    std::uniform_int_distribution<std::int32_t> tokens(0, 512), depth(0, 4000);
    for (int i = 0; i < 5000; ++i) {
        const auto work = chunk(tokens(random), depth(random));
        cost.learn(work, takes(work, noise(random)));
        if (!cost.known()) continue;
        REQUIRE(cost.token_weight(4000) >= 1);
        REQUIRE(cost.token_weight(4000) < 1e4);
        REQUIRE(cost.tokens_within(std::chrono::milliseconds(250)) >= 0);
        REQUIRE(cost.prefill_seconds(1000) > 0);
    }
}
