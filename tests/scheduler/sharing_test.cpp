#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <map>

#include "harness.h"
#include "temporary_folder.h"

using namespace weft;
using namespace weft::test;

namespace {

GenerateRequest tokens(std::uint32_t n, const std::string& tenant = "") {
    return {.prompt = TokenPrompt{}, .max_tokens = n, .tenant = tenant};
}

std::string words(std::size_t n, char first = 'A') {
    std::string text;
    for (std::size_t i = 0; i < n; ++i) text += static_cast<char>(first + i * i % 23);
    return text;
}

Harness::Shape wide() { return {.kv_cells = 1024, .max_batch_rows = 128, .window = 512}; }

Harness::Shape with_host(Harness::Shape shape, std::uint64_t bytes = 1 << 20) {
    shape.host_bytes = bytes;
    return shape;
}

Harness::Shape with_disk(Harness::Shape shape, const std::filesystem::path& folder) {
    shape = with_host(shape);
    shape.folder = folder;
    return shape;
}

// Positions that a request's rows were computed at, call by call: what its numbers depend on.
std::vector<std::vector<std::pair<std::int32_t, std::size_t>>> calls_of(const Harness& h, SequenceId id) {
    std::vector<std::vector<std::pair<std::int32_t, std::size_t>>> calls;
    for (const auto& rows : h.engine.calls) {
        std::vector<std::pair<std::int32_t, std::size_t>> own;
        for (const auto& row : rows)
            if (row.sequence == id) own.emplace_back(row.position, rows.size());
        if (!own.empty()) calls.push_back(std::move(own));
    }
    return calls;
}

}  // namespace

// ---- copies outside the pool ----

TEST_CASE("a prefix that had to leave the pool comes back without being computed") {
    auto shape = wide();
    shape.kv_cells = 512;
    Harness h(with_host(shape));
    const auto prompt = words(300);
    h.arrive(prompt, tokens(5));
    h.run();
    for (int i = 0; i < 3; ++i) h.arrive(words(400, static_cast<char>('a' + i)), tokens(5));
    h.run();
    CHECK(h.engine.saves > 0);
    h.engine.calls.clear();
    const auto id = h.arrive(prompt, tokens(5));
    h.run();
    CHECK(h.seen[id].text.at(0) == h.expected(prompt, 5));
    CHECK(h.seen[id].done->cached_tokens == 299);  // whole blocks, and what is behind them
    CHECK(h.engine.rows_computed() < 10);
    CHECK(h.engine.restores == 5);
}

TEST_CASE("a copy is used as far as the prompt goes along with it") {
    auto shape = wide();
    shape.kv_cells = 512;
    Harness h(with_host(shape));
    h.arrive(words(300), tokens(5));
    h.run();
    for (int i = 0; i < 3; ++i) h.arrive(words(400, static_cast<char>('a' + i)), tokens(5));
    h.run();
    // It parts from the first one inside a block, and from the end of another.
    for (const std::size_t common : {150U, 280U}) {
        const auto prompt = words(common) + "-" + words(60, 'k');
        const auto id = h.arrive(prompt, tokens(5));
        h.run();
        CHECK(h.seen[id].text.at(0) == h.expected(prompt, 5));
        CHECK(h.seen[id].done->cached_tokens == common);
        for (int i = 0; i < 2; ++i) h.arrive(words(400, static_cast<char>('p' + i)), tokens(5));
        h.run();
    }
}

TEST_CASE("a block that others have copied out already is not copied again") {
    auto shape = wide();
    shape.kv_cells = 512;
    Harness h(with_host(shape));
    const auto shared = words(256);
    for (const char c : {'x', 'y', 'z'}) {
        h.arrive(shared + words(100, c), tokens(3));
        h.run();
        h.arrive(words(400, 'a'), tokens(3));
        h.run();
    }
    CHECK(h.engine.saves <= 4 + 3 * 2 + 7);  // ends count, too
}

TEST_CASE("after a restart the prefixes are there again, from disk") {
    const TemporaryFolder folder;
    const auto prompt = words(400);
    {
        Harness h(with_disk(wide(), folder.path()));
        h.arrive(prompt, tokens(5));
        h.run();
        h.scheduler.keep_for_next_start();
    }
    Harness h(with_disk(wide(), folder.path()));
    const auto id = h.arrive(prompt + "!", tokens(5));
    h.run();
    CHECK(h.seen[id].text.at(0) == h.expected(prompt + "!", 5));
    CHECK(h.seen[id].done->cached_tokens == 384);
    CHECK(h.last_beat.metrics.restored_tokens == 384);
}

TEST_CASE("what had left the pool for memory is there after a restart, too") {
    const TemporaryFolder folder;
    auto shape = with_disk(wide(), folder.path());
    shape.kv_cells = 512;
    {
        Harness h(shape);
        for (const char c : {'A', 'K', 'a'}) {
            h.arrive(words(400, c), tokens(5));
            h.run();
        }
        h.scheduler.keep_for_next_start();
    }
    Harness h(shape);
    for (const char c : {'A', 'K', 'a'}) {
        const auto id = h.arrive(words(400, c) + "!", tokens(5));
        h.run();
        CHECK(h.seen[id].done->cached_tokens == 384);
    }
}

TEST_CASE("a prefix that was of use is on disk before anybody stops the server") {
    const TemporaryFolder folder;
    const auto prompt = words(400);
    {
        Harness h(with_disk(wide(), folder.path()));
        for (int i = 0; i < 2; ++i) {
            h.arrive(prompt + std::to_string(i), tokens(5));
            h.run();
        }
        h.step(3);
    }
    Harness h(with_disk(wide(), folder.path()));
    const auto id = h.arrive(prompt + "!", tokens(5));
    h.run();
    CHECK(h.seen[id].done->cached_tokens == 384);
}

TEST_CASE("damaged files are computed again, not believed") {
    const TemporaryFolder folder;
    const auto prompt = words(400);
    {
        Harness h(with_disk(wide(), folder.path()));
        h.arrive(prompt, tokens(5));
        h.run();
        h.scheduler.keep_for_next_start();
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
        if (!entry.is_regular_file()) continue;
        std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(-1, std::ios::end);
        file.put('\x7f');
    }
    Harness h(with_disk(wide(), folder.path()));
    const auto id = h.arrive(prompt + "!", tokens(5));
    h.run();
    CHECK(h.seen[id].text.at(0) == h.expected(prompt + "!", 5));
    CHECK(h.seen[id].done->cached_tokens == 0);
}

TEST_CASE("copies outside the pool are as invisible to other tenants as cells in it") {
    const TemporaryFolder folder;
    const auto prompt = words(400);
    {
        Harness h(with_disk(wide(), folder.path()));
        h.arrive(prompt, tokens(5, "alice"));
        h.run();
        h.scheduler.keep_for_next_start();
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path()))
        CHECK(entry.path().string().find("alice") == std::string::npos);
    Harness h(with_disk(wide(), folder.path()));
    const auto bob = h.arrive(prompt, tokens(5, "bob"));
    h.run();
    CHECK(h.seen[bob].done->cached_tokens == 0);
    const auto alice = h.arrive(prompt, tokens(5, "alice"));
    h.run();
    CHECK(h.seen[alice].done->cached_tokens == 384);
}

TEST_CASE("tenants share what they say they share, and only with those who say so") {
    Harness h(wide());
    auto request = tokens(5, "alice");
    request.shared_cache = true;
    h.arrive(words(100), request);
    h.run();
    request.tenant = "bob";
    const auto sharing = h.arrive(words(100), request);
    h.run();
    CHECK(h.seen[sharing].done->cached_tokens == 99);
    const auto alone = h.arrive(words(100), tokens(5, "alice"));
    h.run();
    CHECK(h.seen[alone].done->cached_tokens == 0);
}

TEST_CASE("a request waits for its prefix to come from disk, and others pass it") {
    const TemporaryFolder folder;
    const auto prompt = words(400);
    {
        Harness h(with_disk(wide(), folder.path()));
        h.arrive(prompt, tokens(5));
        h.run();
        h.scheduler.keep_for_next_start();
    }
    Harness h(with_disk(wide(), folder.path()));
    const auto waits = h.arrive(prompt, tokens(5));
    const auto passes = h.arrive("short", tokens(5));
    h.run();
    CHECK(h.seen[waits].done->cached_tokens == 384);
    CHECK(h.seen[passes].text.at(0) == h.expected("short", 5));
}

TEST_CASE("a check computes the prompt with cells of its own, and finds what is wrong") {
    Harness h(wide());
    KvPool kv(h.engine, nullptr, "fake");
    const auto prompt = tokens_of(words(300));
    std::vector<float> logits(257, -10.0F);
    logits[static_cast<std::size_t>(h.engine.next(prompt))] = 10.0F;
    const auto good = check_prefix(h.engine, kv, {.tokens = prompt, .reused_tokens = 256, .logits = logits});
    REQUIRE(good);
    CHECK(good->same_choice);
    CHECK(good->largest_difference == 0);
    std::swap(logits[0], logits[static_cast<std::size_t>(h.engine.next(prompt))]);
    const auto bad = check_prefix(h.engine, kv, {.tokens = prompt, .reused_tokens = 256, .logits = logits});
    REQUIRE(bad);
    CHECK_FALSE(bad->same_choice);
    CHECK(bad->largest_difference == 20);
    CHECK(kv.ledger().used_cells() == 0);
    CHECK(h.engine.used_cells() == 0);
}

TEST_CASE("checking prefixes changes no answer and keeps no cells") {
    auto shape = wide();
    shape.checks_prefixes = true;
    Harness h(shape);
    h.arrive(words(100), tokens(5));
    h.run();
    h.engine.calls.clear();
    const auto id = h.arrive(words(100) + "!", tokens(5));
    h.run();
    CHECK(h.seen[id].text.at(0) == h.expected(words(100) + "!", 5));
    CHECK(h.seen[id].done->cached_tokens == 100);
    CHECK(h.engine.rows_computed() == 1 + 101 + 4);
}

// ---- places ----

TEST_CASE("a parked sequence goes on where it was while its cells are still there") {
    Harness h({.kv_cells = 1024, .window = 256, .slots = 1});
    auto low = tokens(40);
    low.priority = 5;
    const auto slow = h.arrive(words(60), low);
    h.step(5);
    h.engine.calls.clear();
    const auto urgent = h.arrive("urgent", tokens(3));
    while (!h.seen[urgent].done) h.step();
    CHECK_FALSE(h.seen[slow].done.has_value());
    h.run();
    CHECK(h.seen[slow].text.at(0) == h.expected(words(60), 40));
    CHECK(h.engine.rows_computed() < 60);  // its prompt was not computed again
    CHECK(h.last_beat.metrics.parked == 1);
}

TEST_CASE("when cells run short the lowest priority is parked, although others are younger") {
    Harness h({.kv_cells = 96, .window = 80, .slots = 4});
    auto low = tokens(50);
    low.priority = 1;
    const auto first = h.arrive(words(20), low);
    h.step();
    const auto second = h.arrive(words(20, 'a'), tokens(50));
    while (!h.seen[second].done) h.step();
    CHECK_FALSE(h.seen[first].done.has_value());
    h.run();
    CHECK(h.seen[first].text.at(0) == h.expected(words(20), 50));
    CHECK(h.seen[second].text.at(0) == h.expected(words(20, 'a'), 50));
}

TEST_CASE("one tenant's flood does not keep another waiting") {
    Harness h({.kv_cells = 2048, .max_sequences = 32, .max_outputs = 32, .window = 128, .slots = 4});
    std::vector<std::uint64_t> flood;
    for (int i = 0; i < 60; ++i) flood.push_back(h.arrive("flood " + std::to_string(i), tokens(30, "heavy")));
    h.step(10);
    const auto light = h.arrive("one question", tokens(5, "light"));
    int steps = 0;
    while (!h.seen[light].done) h.step(), ++steps;
    CHECK(steps <= 8);
    h.run();
    for (std::size_t i = 0; i < flood.size(); ++i)
        REQUIRE(h.seen[flood[i]].text.at(0) == h.expected("flood " + std::to_string(i), 30));
}

TEST_CASE("a light tenant's first token comes with the first call after it arrived, and with few rows of others") {
    Harness h({.kv_cells = 8192, .max_sequences = 40, .max_batch_rows = 512, .window = 512});
    h.engine.during_decode = [&] { h.clock.time += std::chrono::milliseconds(20); };
    for (int i = 0; i < 40; ++i) h.arrive(words(200 + static_cast<std::size_t>(i), static_cast<char>('0' + i)), tokens(30, "flood"));
    std::size_t calls = 0, rows = 0;
    for (int question = 0; question < 10; ++question) {
        h.step(7);
        const auto before = h.engine.calls.size();
        const auto id = h.arrive(words(100, static_cast<char>('a' + question)), tokens(2, "light"));
        while (h.seen[id].tokens == 0) h.step();
        calls += h.engine.calls.size() - before;
        rows += h.engine.calls.back().size();
    }
    CHECK(calls == 10);
    CHECK(rows <= 10 * (100 + 7));
    h.run();
}

TEST_CASE("tenants get equal shares while both want more than there is") {
    Harness h({.kv_cells = 2048, .max_sequences = 32, .max_outputs = 32, .window = 128, .slots = 4});
    std::map<std::string, std::vector<std::uint64_t>> asked;
    for (int i = 0; i < 40; ++i) asked["many"].push_back(h.arrive("m" + std::to_string(i), tokens(20, "many")));
    for (int i = 0; i < 10; ++i) asked["few"].push_back(h.arrive("f" + std::to_string(i), tokens(20, "few")));
    while (!h.seen[asked["few"].back()].done) h.step();
    std::size_t served = 0;
    for (const auto id : asked["many"]) served += h.seen[id].tokens;
    CHECK(served > 100);
    CHECK(served < 300);
    h.run();
}

// ---- deadlines ----

TEST_CASE("a deadline that cannot be met is refused at once, one that can is kept") {
    Harness h({.kv_cells = 1024, .window = 512, .slots = 1});
    h.engine.during_decode = [&] { h.clock.time += std::chrono::milliseconds(100); };
    h.arrive(words(200), tokens(1));
    h.run();
    auto request = tokens(1);
    request.deadline_ms = 50;
    const auto refused = h.arrive(words(300, 'a'), request);
    request.deadline_ms = 60'000;
    const auto kept = h.arrive(words(300, 'b'), request);
    h.run();
    CHECK(h.seen[refused].error->code == ErrorCode::overloaded);
    CHECK(h.seen[kept].done.has_value());
    CHECK(h.gate.inside() == 0);
    CHECK(h.gate.tokens() == 0);
}

TEST_CASE("what is in the cache, or will be, does not count against a deadline") {
    Harness h({.kv_cells = 2048, .window = 512, .slots = 2});
    h.engine.during_decode = [&] { h.clock.time += std::chrono::milliseconds(100); };  // 32 rows: 320 tokens a second
    h.arrive(words(400), tokens(1));
    h.run();
    auto request = tokens(1);
    request.deadline_ms = 600;
    const auto known = h.arrive(words(400) + "!", request);
    h.run();
    CHECK(h.seen[known].done.has_value());
    const auto unknown = h.arrive(words(400, 'b'), request);
    h.run();
    CHECK(h.seen[unknown].error->code == ErrorCode::overloaded);
    // Two with the same prompt that wait before it are computed once.
    request.deadline_ms = 2500;
    for (int i = 0; i < 2; ++i) h.arrive(words(300, 'c'), tokens(1));
    const auto behind = h.arrive(words(300, 'd'), request);
    h.run();
    CHECK(h.seen[behind].done.has_value());
}

TEST_CASE("a request whose deadline passes while it waits is told so") {
    Harness h({.slots = 1});
    h.arrive("first", tokens(50));
    h.step();
    auto request = tokens(5);
    request.deadline_ms = 100;
    const auto late = h.arrive("second", request);
    h.run();
    CHECK(h.seen[late].error->code == ErrorCode::timeout);
    CHECK(h.seen[late].endings == 1);
    CHECK(h.gate.inside() == 0);
}

TEST_CASE("a deadline is judged by who goes first, not by who came first, and nothing is told before") {
    Harness h({.kv_cells = 4096, .window = 512, .slots = 1});
    h.engine.during_decode = [&] { h.clock.time += std::chrono::milliseconds(100); };  // 32 rows: 320 tokens a second
    h.arrive(words(200), tokens(1));
    h.run();
    for (int i = 0; i < 8; ++i) h.arrive(words(400, static_cast<char>('a' + i)), tokens(1, "flood"));
    h.step();
    auto request = tokens(1, "light");
    request.deadline_ms = 3000;
    const auto light = h.arrive("short", request);
    request.tenant = "flood";
    const auto last = h.arrive(words(400, 'z'), request);
    h.run();
    CHECK(h.seen[light].done.has_value());
    CHECK(h.seen[last].error->code == ErrorCode::overloaded);
    CHECK(h.seen[light].accepted);
    CHECK_FALSE(h.seen[last].accepted);
}

TEST_CASE("choices that share a prompt nobody sent before found nothing of it in the cache") {
    Harness h(wide());
    auto request = tokens(3);
    request.choices = 4;
    const auto id = h.arrive(words(100), request);
    h.run();
    CHECK(h.seen[id].done->cached_tokens == 0);
    CHECK(h.scheduler.snapshot().cached_tokens == 0);
}

TEST_CASE("a client that does not read keeps no cells that another one needs") {
    Harness h({.kv_cells = 256, .window = 256, .slots = 4});
    const auto slow = h.arrive(words(180), tokens(40));
    h.step(12);
    h.pause(slow, true);
    h.step();
    const auto other = h.arrive(words(120, 'b'), tokens(5));
    h.step(20);
    CHECK(h.seen[other].done.has_value());
    h.pause(slow, false);
    h.run();
    CHECK(h.seen[slow].text.at(0) == h.expected(words(180), 40));
}

// ---- cancel inside a decode call ----

TEST_CASE("a cancel interrupts the decode call that is mostly its own, and others lose nothing") {
    Harness h({.kv_cells = 1024, .max_batch_rows = 128, .window = 512});
    const auto other = h.arrive("other", tokens(20));
    h.step(3);
    const auto large = h.arrive(words(400), tokens(5));
    h.engine.during_decode = [&] { h.cancel(large); };
    h.step();
    h.engine.during_decode = [] {};
    CHECK(h.scheduler.snapshot().metrics.interrupted_steps == 1);
    h.run();
    CHECK(h.seen[large].error->code == ErrorCode::cancelled);
    CHECK(h.seen[other].text.at(0) == h.expected("other", 20));
}

TEST_CASE("a cancel of a few rows among many lets the call end") {
    Harness h({.kv_cells = 1024, .max_batch_rows = 128, .window = 512});
    const auto small = h.arrive("small", tokens(20));
    h.step(3);
    const auto large = h.arrive(words(400), tokens(5));
    h.engine.during_decode = [&] { h.cancel(small); };
    h.step();
    h.engine.during_decode = [] {};
    CHECK(h.scheduler.snapshot().metrics.interrupted_steps == 0);
    h.run();
    CHECK(h.seen[large].text.at(0) == h.expected(words(400), 5));
}

// ---- deterministic mode ----

TEST_CASE("in deterministic mode a request's rows are computed in the same calls whatever else runs") {
    const auto prompt = words(150);
    std::vector<std::vector<std::pair<std::int32_t, std::size_t>>> alone;
    {
        Harness h({.kv_cells = 2048, .max_batch_rows = 128, .window = 512, .memory = MemoryKind::none, .deterministic = true});
        const auto id = h.arrive(prompt, tokens(10));
        h.run();
        CHECK(h.seen[id].text.at(0) == h.expected(prompt, 10));
        alone = calls_of(h, SequenceId{0});
    }
    Harness h({.kv_cells = 2048, .max_batch_rows = 128, .window = 512, .memory = MemoryKind::none, .deterministic = true});
    const auto id = h.arrive(prompt, tokens(10));  // gets id 0
    for (int i = 0; i < 6; ++i) h.arrive(words(40 + static_cast<std::size_t>(i) * 17, static_cast<char>('a' + i)), tokens(12));
    while (!h.seen[id].done) h.step();
    CHECK(calls_of(h, SequenceId{0}) == alone);
    REQUIRE(alone.size() == 3 + 9);
    CHECK(alone[0].size() == 64);
    CHECK(alone[1].size() == 64);
    CHECK(alone[2].size() == 22);
    h.run();
    for (const auto& rows : h.engine.calls)
        for (const auto& row : rows) REQUIRE(row.sequence == rows[0].sequence);
}

TEST_CASE("in deterministic mode a parked sequence is computed again in the same chunks, row by row where it was generated") {
    Harness h({.kv_cells = 2048, .max_batch_rows = 128, .window = 512, .slots = 1, .memory = MemoryKind::none, .deterministic = true});
    auto low = tokens(20);
    low.priority = 1;
    const auto parked = h.arrive(words(100), low);
    h.step(8);
    const auto before = calls_of(h, SequenceId{0});
    h.engine.calls.clear();
    h.arrive("urgent", tokens(2));
    h.run();
    CHECK(h.seen[parked].text.at(0) == h.expected(words(100), 20));
    auto after = calls_of(h, SequenceId{0});
    after.erase(after.begin(), after.begin() + 2);  // the urgent one, which had the id meanwhile
    REQUIRE(after.size() > before.size());
    after.resize(before.size());
    CHECK(after == before);
}

// ---- told outside ----

TEST_CASE("the heartbeat tells who runs and who waits, in the order in which they start") {
    Harness h({.slots = 1});
    h.arrive("running", tokens(30));
    h.step(2);
    auto later = tokens(5, "someone");
    later.priority = 3;
    const auto third = h.arrive("later", later);
    const auto second = h.arrive("sooner", tokens(5));
    h.step();
    const auto queue = h.scheduler.snapshot().queue;
    REQUIRE(queue.size() == 3);
    CHECK(queue[0].state == QueueState::decode);
    CHECK(queue[0].position == 0);
    CHECK(queue[1].request == second);
    CHECK(queue[1].position == 1);
    CHECK(queue[2].request == third);
    CHECK(queue[2].state == QueueState::waiting);
    CHECK(queue[2].tenant == "someone");
}

TEST_CASE("histograms count every request and every step") {
    Harness h;
    for (int i = 0; i < 3; ++i) h.arrive("prompt " + std::to_string(i), tokens(4));
    h.run();
    const auto beat = h.scheduler.snapshot();
    const auto count = [](const Histogram& histogram) {
        std::uint64_t n = 0;
        for (const auto c : histogram.counts) n += c;
        return n;
    };
    CHECK(count(beat.metrics.ttft_s) == 3);
    CHECK(count(beat.metrics.e2e_s) == 3);
    CHECK(count(beat.metrics.itl_s) == 9);
    CHECK(beat.metrics.generation_tokens.sum == 12);
    CHECK(count(beat.metrics.step_s) == beat.steps);
    CHECK(beat.metrics.finished_length == 3);
}
