// Arrivals, cancels, pauses, failures, parks, spills and restarts at random, over a fake model whose next token is computed
// from what really lies in its cells. After every step cells, ids and references balance; every output equals the
// unshared run.
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
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
    std::string expected;  // of the unshared run
    bool may_fail;         // has a deadline
};

class Workload {
  public:
    Workload(unsigned seed, const Harness::Shape& shape) : random_(seed), h_(shape) {
        if (shape.guesses) {
            // Repetitive, so that guesses are often right; every token still depends on all before it.
            h_.engine.next = [random = h_.engine.next](const std::vector<Token>& tokens) {
                const auto token = random(tokens);
                return token % 5 == 0 ? token : static_cast<Token>("abcd"[tokens.size() % 4]);
            };
        }
        h_.draft_engine.next = [real = h_.engine.next](const std::vector<Token>& tokens) {
            return tokens.size() % 6 == 0 ? Token{'!'} : real(tokens);
        };
    }

    void run(int steps) {
        work(steps);
        for (const auto id : paused_) h_.pause(id, false);
        h_.engine.during_decode = [] {};
        h_.engine.fail_next = h_.draft_engine.fail_next = false;
        h_.run();
        for (const auto& [id, what] : asked_) check_ended(id, what);
        REQUIRE(h_.gate.inside() == 0);
        REQUIRE(h_.gate.tokens() == 0);
        h_.scheduler.keep_for_next_start();
    }
    // The engine is told to end while requests run and wait: they get no further event, their prefixes are kept.
    void run_and_stop_amid(int steps) {
        work(steps);
        h_.scheduler.keep_for_next_start();
        check_step();
        assert_that(h_.scheduler.running() + h_.scheduler.waiting() == 0, "nothing is left");
        assert_that(h_.engine.used_cells() == h_.scheduler.ledger().used_cells(), "ledger and pool agree at the end");
    }
    [[nodiscard]] const EngineMetrics& metrics() {
        metrics_ = h_.scheduler.snapshot().metrics;
        return metrics_;
    }
    [[nodiscard]] std::size_t failures() const { return failures_; }

  private:
    int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

    void work(int steps) {
        for (int i = 0; i < steps; ++i) {
            if (below(4) == 0 && h_.gate.inside() < 40) arrive();
            if (below(12) == 0) cancel_one();
            if (below(10) == 0) pause_one();
            if (below(150) == 0) h_.engine.fail_next = true;
            if (below(40) == 0) h_.draft_engine.fail_next = true;
            // Somebody's cancel comes while a decode call runs.
            h_.engine.during_decode = [this] {
                if (below(25) == 0) cancel_one();
                if (below(25) == 0 && !asked_.empty()) h_.cancel(*cancelled_.insert(h_.last_id()).first);
                failures_ += h_.engine.fail_next ? 1 : 0;
            };
            h_.step();
            check_step();
        }
    }
    void arrive() {
        // Few different beginnings, so that prefixes are shared all the time.
        const auto beginning = static_cast<std::size_t>(below(220));
        auto prompt = words(beginning, static_cast<char>('A' + below(3)));
        prompt += words(1 + static_cast<std::size_t>(below(20)), static_cast<char>('0' + below(8)));
        GenerateRequest request{.prompt = TokenPrompt{}, .max_tokens = 1 + static_cast<std::uint32_t>(below(25))};
        request.choices = below(6) == 0 ? 3 : 1;
        request.priority = below(3);
        request.tenant = std::string(1, static_cast<char>('a' + below(3)));
        request.shared_cache = below(2) == 0;
        request.deadline_ms = below(15) == 0 ? 200 : 0;
        const auto room = static_cast<std::uint32_t>(h_.shape.window) - static_cast<std::uint32_t>(prompt.size());
        h_.message_borders = {static_cast<std::int32_t>(beginning / 2), static_cast<std::int32_t>(beginning)};
        const Asked asked{h_.expected(prompt, std::min(*request.max_tokens, room)), request.deadline_ms > 0};
        open_[h_.arrive(prompt, request)] = asked;
        asked_[h_.last_id()] = asked;
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
    // What everybody has so far is how the unshared run begins; who has ended is out, everybody else is inside.
    void check_step() {
        std::erase_if(open_, [&](const auto& entry) {
            const auto& seen = h_.seen[entry.first];
            for (const auto& [choice, text] : seen.text) REQUIRE(entry.second.expected.starts_with(text));
            return seen.endings > 0;
        });
        REQUIRE(h_.gate.inside() <= open_.size());
        if (h_.spill) REQUIRE(h_.spill->totals().host_bytes <= h_.shape.host_bytes);
        if (h_.spill) REQUIRE(h_.spill->totals().disk_bytes <= h_.shape.disk_bytes);
    }
    void check_ended(std::uint64_t id, const Asked& what) {
        const auto& seen = h_.seen[id];
        REQUIRE(seen.endings == 1);
        if (seen.done)
            for (const auto& [choice, text] : seen.text) REQUIRE(text == what.expected);
        const bool failed = seen.error && seen.error->code == ErrorCode::engine_failed && failures_ > 0;
        if (!cancelled_.contains(id) && !what.may_fail && !failed) REQUIRE(seen.done.has_value());
    }

    std::mt19937 random_;
    Harness h_;
    std::map<std::uint64_t, Asked> asked_, open_;
    std::set<std::uint64_t> cancelled_, paused_;
    std::size_t failures_ = 0;
    EngineMetrics metrics_;
};

// What all parts of a test did together, to be sure that everything was tried.
struct Sums {
    std::uint64_t restored = 0, fetched = 0, spilled = 0, parked = 0, guessed = 0, accepted = 0, interrupted = 0, drafts = 0;
    std::size_t failures = 0;
    void add(Workload& workload) {
        const auto& m = workload.metrics();
        restored += m.restored_tokens, fetched += m.fetched_blocks, spilled += m.spilled_blocks, parked += m.parked;
        guessed += m.guessed_tokens, accepted += m.accepted_tokens, interrupted += m.interrupted_steps, drafts += m.draft_steps;
        failures += workload.failures();
    }
};

// Some of what is on the disk is damaged between two starts.
void damage_some(const std::filesystem::path& folder, unsigned seed) {
    std::mt19937 random(seed);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (!entry.is_regular_file() || random() % 8 != 0) continue;
        std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(random() % entry.file_size()));
        file.put('?');
    }
}

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
    Sums sums;
    for (unsigned seed = 1; seed <= 4; ++seed) {
        auto shape = shape_for(seed);
        shape.guesses = seed % 2 == 0;
        shape.draft_cells = seed >= 3 ? 200 : 0;
        Workload workload(seed, shape);
        workload.run(1500);
        sums.add(workload);
    }
    CHECK(sums.parked > 10);
    CHECK(sums.interrupted > 3);
    CHECK(sums.failures > 10);
    CHECK(sums.drafts > 500);
    CHECK(sums.accepted > 500);
}

TEST_CASE("the same with copies in memory and on disk, over several restarts, in good order and amid work") {
    const TemporaryFolder folder;
    Sums sums;
    for (unsigned seed = 11; seed <= 18; ++seed) {
        auto shape = shape_for(seed);
        shape.guesses = true;
        shape.host_bytes = 12 * 256;  // a dozen blocks
        shape.folder = folder.path();
        shape.disk_bytes = 60 * 352;
        Workload workload(seed, shape);
        if (seed % 2 == 0) workload.run(600);
        else workload.run_and_stop_amid(600);
        sums.add(workload);
        damage_some(folder.path(), seed);
    }
    CHECK(sums.restored > 1000);
    CHECK(sums.fetched > 10);
    CHECK(sums.parked > 10);
    CHECK(sums.accepted > 100);
    CHECK(sums.guessed > sums.accepted + 100);
}

TEST_CASE("the same with memory that is one state, over several restarts") {
    const TemporaryFolder folder;
    Sums sums;
    for (unsigned seed = 31; seed <= 36; ++seed) {
        auto shape = shape_for(seed);
        shape.kv_cells = 700;
        shape.max_sequences = 8;
        shape.memory = MemoryKind::states;
        shape.host_bytes = 8'000;  // about ten states
        shape.folder = folder.path();
        shape.disk_bytes = 40'000;
        Workload workload(seed, shape);
        if (seed % 2 == 0) workload.run(600);
        else workload.run_and_stop_amid(600);
        sums.add(workload);
        damage_some(folder.path(), seed);
    }
    CHECK(sums.restored > 3000);
    CHECK(sums.fetched > 5);
    CHECK(sums.spilled > 100);
    CHECK(sums.parked > 10);
    CHECK(sums.interrupted == 0);
}

TEST_CASE("the same in deterministic mode") {
    for (unsigned seed = 21; seed <= 22; ++seed) {
        auto shape = shape_for(seed);
        shape.deterministic = true;
        shape.memory = MemoryKind::none;
        Workload(seed, shape).run(1500);
    }
}
