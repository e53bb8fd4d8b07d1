#include "scheduler/batch_planner.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <random>
#include <set>
#include <utility>

using namespace weft;

namespace {

constexpr Budget roomy{.free_cells = 1000, .free_slots = 8, .max_rows = 64, .max_outputs = 32, .prefill_tokens = 16, .prefill_alone_tokens = 64};
Budget wide_budget() {
    Budget budget = roomy;
    budget.max_rows = budget.prefill_alone_tokens = 512;
    return budget;
}
RunningView decoding() { return {.pending = 1, .decodes = true, .parkable_cells = 50}; }
RunningView prefilling(std::int32_t tokens) { return {.pending = tokens, .parkable_cells = 10}; }

}  // namespace

TEST_CASE("decode rows come first and prefill takes no more than its budget beside them") {
    const auto plan = plan_batch({prefilling(100), decoding(), decoding()}, roomy);
    REQUIRE(plan.slices.size() == 3);
    CHECK(plan.slices[0].running == 1);
    CHECK(plan.slices[1].running == 2);
    CHECK(plan.slices[2].running == 0);
    CHECK(plan.decode_rows == 2);
    CHECK(plan.prefill_tokens == 16);
    CHECK_FALSE(plan.slices[2].completes);
}

TEST_CASE("prefill has a larger budget while nobody decodes") {
    CHECK(plan_batch({prefilling(100)}, roomy).prefill_tokens == 64);
}

TEST_CASE("the chunk that ends a prompt asks for logits") {
    const auto plan = plan_batch({prefilling(10)}, roomy);
    REQUIRE(plan.slices.size() == 1);
    CHECK(plan.slices[0].completes);
}

TEST_CASE("a paused sequence is left out") {
    auto paused = decoding();
    paused.paused = true;
    const auto plan = plan_batch({paused, decoding()}, roomy);
    REQUIRE(plan.slices.size() == 1);
    CHECK(plan.slices[0].running == 1);
}

TEST_CASE("the youngest is parked when cells run out, never the oldest") {
    auto budget = roomy;
    budget.free_cells = 1;
    const auto plan = plan_batch({decoding(), decoding(), decoding()}, budget);
    CHECK(plan.park == std::vector<std::size_t>{2});
    CHECK(plan.decode_rows == 2);
}

TEST_CASE("a lower priority is parked before a younger sequence") {
    auto budget = roomy;
    budget.free_cells = 1;
    auto low = decoding();
    low.priority = 1;
    CHECK(plan_batch({low, decoding(), decoding()}, budget).park == std::vector<std::size_t>{0});
    CHECK(plan_batch({low, low, decoding()}, budget).park == std::vector<std::size_t>{1});
}

TEST_CASE("whoever has least left to prefill gets half of the budget, who came first the rest") {
    const auto plan = plan_batch({decoding(), prefilling(500), prefilling(300), prefilling(40)}, roomy);
    REQUIRE(plan.slices.size() == 3);
    CHECK(plan.slices[1].running == 3);
    CHECK(plan.slices[1].tokens == 8);
    CHECK(plan.slices[2].running == 1);
    CHECK(plan.slices[2].tokens == 8);
}

TEST_CASE("what a short prompt leaves of its half goes to the others") {
    const auto plan = plan_batch({decoding(), prefilling(500), prefilling(3)}, roomy);
    REQUIRE(plan.slices.size() == 3);
    CHECK(plan.slices[1].completes);
    CHECK(plan.slices[2].tokens == 13);
}

TEST_CASE("prompts go by priority, then by what their tenant was served") {
    auto served = prefilling(30), low = prefilling(5);
    served.served = 100;
    low.priority = 1;
    const auto plan = plan_batch({decoding(), low, served, prefilling(30)}, roomy);
    REQUIRE(plan.slices.size() >= 2);
    CHECK(plan.slices[1].running == 3);
    for (const auto& slice : plan.slices) CHECK(slice.running != 1);
}

TEST_CASE("a chunk ends where a state is to be kept") {
    const auto plan = plan_batch({{.pending = 300, .until_border = 70}}, wide_budget());
    REQUIRE(plan.slices.size() == 1);
    CHECK(plan.slices[0].tokens == 70);
    CHECK_FALSE(plan.slices[0].completes);
    CHECK(plan_batch({{.pending = 50, .until_border = 70}}, wide_budget()).slices[0].completes);
}

TEST_CASE("prompts of tenants with many places wait while one with few gets its first token, but not twice") {
    auto budget = wide_budget();
    const std::vector<RunningView> running{{.pending = 300, .served = 9000, .places = 3}, {.pending = 40, .served = 10}, {.pending = 30, .served = 100}};
    budget.may_hold_back = true;
    auto plan = plan_batch(running, budget);
    CHECK(plan.holds_back);
    CHECK(plan.prefill_tokens == 70);  // tenants like it go along
    budget.may_hold_back = false;
    plan = plan_batch(running, budget);
    CHECK_FALSE(plan.holds_back);
    CHECK(plan.prefill_tokens > 70);
    // One that does not get its first token now holds nobody back.
    budget.may_hold_back = true;
    budget.prefill_alone_tokens = 100;
    plan = plan_batch({{.pending = 50, .served = 9000, .places = 3}, {.pending = 400, .served = 10}}, budget);
    CHECK_FALSE(plan.holds_back);
    plan = plan_batch({{.pending = 50, .served = 9000, .places = 3}, {.pending = 40, .served = 10, .segment = 20}}, budget);
    CHECK_FALSE(plan.holds_back);  // an image lies between
}

TEST_CASE("in deterministic mode a call is one sequence's, up to its next border") {
    auto budget = roomy;
    auto prompt = prefilling(100);
    prompt.chunk = 40;
    auto row = decoding();
    row.chunk = 1;
    for (std::uint64_t turn = 0; turn < 4; ++turn) {
        budget.turn = turn;
        const auto plan = plan_batch({prompt, row}, budget);
        REQUIRE(plan.slices.size() == 1);
        CHECK(plan.slices[0].running == turn % 2);
        CHECK(plan.rows() == (turn % 2 == 0 ? 40 : 1));
    }
}

TEST_CASE("in deterministic mode a chunk is whole or waits for cells") {
    auto budget = roomy;
    budget.turn = 0;
    budget.free_cells = 39;
    auto prompt = prefilling(100), other = prefilling(100);
    prompt.chunk = other.chunk = 40;
    const auto plan = plan_batch({prompt, other}, budget);
    CHECK(plan.park == std::vector<std::size_t>{1});
    CHECK(plan.prefill_tokens == 40);
}

TEST_CASE("guesses come after every decode row and before prompts, as far as there is room") {
    auto guessing = decoding();
    guessing.guesses = 6;
    auto budget = roomy;
    budget.max_rows = 12;
    const auto plan = plan_batch({guessing, prefilling(100), guessing}, budget);
    REQUIRE(plan.slices.size() == 2);
    CHECK(plan.slices[0].tokens == 7);
    CHECK(plan.slices[1].tokens == 5);
    CHECK(plan.decode_rows == 2);
    CHECK(plan.guessed_rows == 10);
    CHECK(plan.rows() == 12);
}

TEST_CASE("cells that only the cache holds count as free") {
    auto budget = roomy;
    budget.free_cells = 0;
    budget.evictable_cells = 3;
    const auto plan = plan_batch({decoding(), decoding(), decoding()}, budget);
    CHECK(plan.park.empty());
    CHECK(plan.decode_rows == 3);
}

TEST_CASE("waiting sequences start in order, as many as have slots and cells") {
    auto budget = roomy;
    budget.free_cells = 100;
    budget.free_slots = 3;
    CHECK(plan_admission({}, {{.uncached_tokens = 30}, {.uncached_tokens = 30}, {.uncached_tokens = 30}}, budget) ==
          std::vector<std::size_t>{0, 1});
    budget.free_slots = 1;
    CHECK(plan_admission({}, {{.uncached_tokens = 30}, {.uncached_tokens = 30}}, budget) == std::vector<std::size_t>{0});
}

TEST_CASE("a large prompt at the head is not overtaken by small ones behind it") {
    auto budget = roomy;
    budget.free_cells = 50;
    CHECK(plan_admission({decoding()}, {{.uncached_tokens = 60}, {.uncached_tokens = 1}}, budget).empty());
}

TEST_CASE("a deferred sequence lets those behind it pass") {
    CHECK(plan_admission({}, {{.uncached_tokens = 5, .deferred = true}, {.uncached_tokens = 5}}, roomy) ==
          std::vector<std::size_t>{1});
}

TEST_CASE("alone, a sequence may take all there is") {
    auto budget = roomy;
    budget.free_cells = 20;
    CHECK(plan_admission({}, {{.uncached_tokens = 20}}, budget) == std::vector<std::size_t>{0});
}

TEST_CASE("a prompt that is scored asks for no more logits than there is room for") {
    auto scored = prefilling(100);
    scored.scores_prompt = true;
    CHECK(plan_batch({scored}, roomy).prefill_tokens == 32);
}

TEST_CASE("few streams leave a window to idle prefixes, many less") {
    CHECK(idle_cell_limit(32'768, 4'096, 1, false) == 4'096);
    CHECK(idle_cell_limit(32'768, 16'384, 16, false) == 8'192);
    CHECK(idle_cell_limit(32'768, 4'096, 64, false) == 2'048);
    CHECK(idle_cell_limit(32'768, 4'096, 0, true) == 4'096);
    CHECK(idle_cell_limit(32'768, 4'096, 1, true) == 2'048);
    CHECK(idle_cell_limit(32'768, 4'096, 16, true) == 512);
}

TEST_CASE("every plan keeps within rows, outputs and cells, and always moves something") {
    std::mt19937 random(11);
    const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    for (int round = 0; round < 20'000; ++round) {
        std::vector<RunningView> running;
        for (int i = below(12); i > 0; --i) {
            const bool decodes = below(2) == 0;
            running.push_back({.pending = decodes ? 1 : 1 + below(100),
                               .decodes = decodes,
                               .paused = below(5) == 0,
                               .scores_prompt = !decodes && below(8) == 0,
                               .parkable_cells = 1 + below(40),
                               .priority = below(3),
                               .served = static_cast<double>(below(3)),
                               .guesses = decodes ? below(5) : 0});
        }
        const Budget budget{.free_cells = below(30),
                            .evictable_cells = below(30),
                            .free_slots = below(4),
                            .max_rows = 1 + below(64),
                            .max_outputs = 1 + below(16),
                            .prefill_tokens = 1 + below(32),
                            .prefill_alone_tokens = 1 + below(64)};
        const auto plan = plan_batch(running, budget);
        std::int32_t cells = budget.free_cells + budget.evictable_cells;
        std::set<std::size_t> parked(plan.park.begin(), plan.park.end());
        for (const auto i : plan.park) cells += running[i].parkable_cells;
        // The oldest of the highest priority stays, but for those that are paused.
        const auto first = std::ranges::min_element(running, {}, [](const RunningView& view) { return std::pair(view.paused, view.priority); });
        if (first != running.end()) CHECK_FALSE(parked.contains(static_cast<std::size_t>(first - running.begin())));
        std::int32_t rows = 0, outputs = 0;
        std::set<std::size_t> used;
        for (const auto& slice : plan.slices) {
            const auto& view = running[slice.running];
            REQUIRE(used.insert(slice.running).second);
            REQUIRE_FALSE(parked.contains(slice.running));
            REQUIRE_FALSE(view.paused);
            REQUIRE(slice.tokens >= 1);
            REQUIRE(slice.tokens <= view.pending + view.guesses);
            REQUIRE(slice.completes == (slice.tokens >= view.pending));
            rows += slice.tokens;
            outputs += view.scores_prompt || view.decodes ? slice.tokens : slice.completes ? 1 : 0;
        }
        REQUIRE(rows == plan.rows());
        REQUIRE(rows <= budget.max_rows);
        REQUIRE(rows <= cells);
        REQUIRE(outputs <= budget.max_outputs);
        if (first != running.end() && !first->paused && cells > 0) REQUIRE_FALSE(plan.empty());
    }
}
