// Arrivals, cancels, pauses, failures, parks, spills and restarts at random, over a fake model whose next token is computed
// from what really lies in its cells. After every step cells, ids and references balance; every output equals the
// unshared run.
#include <catch2/catch_test_macros.hpp>
#include <random>
#include <set>

#include "harness.h"
#include "temporary_folder.h"

using namespace weft;
using namespace weft::test;

namespace {

std::string words(std::size_t n, char first) {
    std::string text;
    for (std::size_t i = 0; i < n; ++i) text += static_cast<char>(first + i * i % 23);
    return text;
}

struct Asked {
    std::string prompt;
    std::uint32_t tokens;
    bool may_fail;  // has a deadline
};

class Workload {
  public:
    Workload(unsigned seed, const Harness::Shape& shape) : random_(seed), h_(shape) {
        if (!shape.guesses) return;
        // Repetitive, so that guesses are often right; every token still depends on all before it.
        h_.engine.next = [random = h_.engine.next](const std::vector<Token>& tokens) {
            const auto token = random(tokens);
            return token % 5 == 0 ? token : static_cast<Token>("abcd"[tokens.size() % 4]);
        };
    }

    void run(int steps) {
        for (int i = 0; i < steps; ++i) {
            if (below(4) == 0 && h_.gate.inside() < 40) arrive();
            if (below(12) == 0) cancel_one();
            if (below(10) == 0) pause_one();
            // Somebody's cancel comes while a decode call runs.
            h_.engine.during_decode = [this] {
                if (below(25) == 0) cancel_one();
            };
            h_.step();
        }
        for (const auto id : paused_) h_.pause(id, false);
        h_.engine.during_decode = [] {};
        h_.run();
        check();
        h_.scheduler.keep_for_next_start();
    }
    [[nodiscard]] const EngineMetrics& metrics() {
        metrics_ = h_.scheduler.snapshot().metrics;
        return metrics_;
    }

  private:
    int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

    void arrive() {
        // Few different beginnings, so that prefixes are shared all the time.
        auto prompt = words(static_cast<std::size_t>(below(220)), static_cast<char>('A' + below(3)));
        prompt += words(1 + static_cast<std::size_t>(below(20)), static_cast<char>('0' + below(8)));
        GenerateRequest request{.prompt = TokenPrompt{}, .max_tokens = 1 + static_cast<std::uint32_t>(below(25))};
        request.choices = below(6) == 0 ? 3 : 1;
        request.priority = below(3);
        request.tenant = std::string(1, static_cast<char>('a' + below(3)));
        request.shared_cache = below(2) == 0;
        request.deadline_ms = below(15) == 0 ? 200 : 0;
        const auto room = static_cast<std::uint32_t>(h_.shape.window) - static_cast<std::uint32_t>(prompt.size());
        const Asked asked{prompt, std::min(*request.max_tokens, room), request.deadline_ms > 0};
        asked_[h_.arrive(prompt, request)] = asked;
    }
    std::uint64_t anyone() { return 1 + static_cast<std::uint64_t>(below(static_cast<int>(asked_.size()))); }
    void cancel_one() {
        if (asked_.empty()) return;
        const auto victim = anyone();
        h_.cancel(victim);
        cancelled_.insert(victim);
    }
    void pause_one() {
        if (asked_.empty()) return;
        const auto slow = anyone();
        const bool pause = !paused_.contains(slow) && paused_.size() < 3;
        h_.pause(slow, pause);
        if (pause) paused_.insert(slow);
        else paused_.erase(slow);
    }
    void check() {
        for (const auto& [id, what] : asked_) {
            const auto& seen = h_.seen[id];
            REQUIRE(seen.endings == 1);
            const auto expected = h_.expected(what.prompt, what.tokens);
            for (const auto& [choice, text] : seen.text) {
                if (seen.done) REQUIRE(text == expected);
                else REQUIRE(expected.starts_with(text));
            }
            if (!cancelled_.contains(id) && !what.may_fail) REQUIRE(seen.done.has_value());
        }
        REQUIRE(h_.gate.inside() == 0);
        REQUIRE(h_.gate.tokens() == 0);
    }

    std::mt19937 random_;
    Harness h_;
    std::map<std::uint64_t, Asked> asked_;
    std::set<std::uint64_t> cancelled_, paused_;
    EngineMetrics metrics_;
};

Harness::Shape shape_for(unsigned seed) {
    return {.kv_cells = 300 + 64 * static_cast<std::int32_t>(seed % 5),
            .max_sequences = 10,
            .max_batch_rows = 24 + 16 * static_cast<std::int32_t>(seed % 3),
            .max_outputs = 8,
            .window = 260,
            .slots = 6};
}

}  // namespace

TEST_CASE("whatever comes, outputs equal the unshared run and everything balances") {
    for (unsigned seed = 1; seed <= 4; ++seed) {
        auto shape = shape_for(seed);
        shape.guesses = seed % 2 == 0;
        Workload(seed, shape).run(1500);
    }
}

TEST_CASE("the same with copies in memory and on disk, over several restarts") {
    const TemporaryFolder folder;
    std::uint64_t restored = 0, fetched = 0, parked = 0, guessed = 0, accepted = 0;
    for (unsigned seed = 11; seed <= 16; ++seed) {
        auto shape = shape_for(seed);
        shape.guesses = true;
        shape.host_bytes = 12 * 256;  // a dozen blocks
        shape.folder = folder.path();
        shape.disk_bytes = 60 * 352;
        Workload workload(seed, shape);
        workload.run(800);
        restored += workload.metrics().restored_tokens;
        fetched += workload.metrics().fetched_blocks;
        parked += workload.metrics().parked;
        guessed += workload.metrics().guessed_tokens;
        accepted += workload.metrics().accepted_tokens;
    }
    CHECK(restored > 1000);
    CHECK(fetched > 10);
    CHECK(parked > 10);
    CHECK(accepted > 100);
    CHECK(guessed > accepted + 100);
}

TEST_CASE("the same in deterministic mode") {
    for (unsigned seed = 21; seed <= 22; ++seed) {
        auto shape = shape_for(seed);
        shape.deterministic = true;
        shape.memory = MemoryKind::none;
        Workload(seed, shape).run(1500);
    }
}
