// Models whose memory is one state: what was computed is shared by copies of it, at places that are worth one.
#include <catch2/catch_test_macros.hpp>

#include "harness.h"
#include "scheduler/state_index.h"
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

Harness::Shape recurrent() {
    return {.kv_cells = 4096, .max_sequences = 8, .max_batch_rows = 128, .window = 512, .memory = MemoryKind::states, .host_bytes = 1 << 20};
}

std::uint32_t ask(Harness& h, const std::string& prompt, std::uint32_t n = 5, const std::string& tenant = "") {
    const auto id = h.arrive(prompt, tokens(n, tenant));
    h.run();
    CHECK(h.seen[id].text.at(0) == h.expected(prompt, n));
    return h.seen[id].done->cached_tokens;
}

}  // namespace

TEST_CASE("states are kept where the first and the last messages begin, and before the last token") {
    const auto borders = [](std::vector<std::int32_t> messages, std::int32_t prompt) { return choose_borders(messages, prompt); };
    CHECK(borders({}, 300) == std::vector<std::int32_t>{299});
    CHECK(borders({}, 60).empty());
    CHECK(borders({5, 100, 200, 250, 280}, 300) == std::vector<std::int32_t>{100, 250, 280, 299});
    CHECK(borders({100, 102, 297}, 300) == std::vector<std::int32_t>{102, 297});  // close ones are one
    CHECK(borders({100, 400}, 300) == std::vector<std::int32_t>{100, 299});
}

TEST_CASE("the same prompt goes on from before its last token") {
    Harness h(recurrent());
    CHECK(ask(h, words(300)) == 0);
    h.engine.calls.clear();
    CHECK(ask(h, words(300)) == 299);
    CHECK(h.engine.rows_computed() == 1 + 4);
}

TEST_CASE("a conversation's next turn goes on from the end of the last answer") {
    Harness h(recurrent());
    const auto first = words(200);
    CHECK(ask(h, first, 20) == 0);
    const auto said = first + h.expected(first, 20);
    CHECK(ask(h, said + " and then?", 10) == said.size() - 1);
}

TEST_CASE("users of one system prompt go on from where its message ends") {
    Harness h(recurrent());
    h.message_borders = {200};
    CHECK(ask(h, words(200) + "first user's question") == 0);
    CHECK(ask(h, words(200) + "another's") == 200);
}

TEST_CASE("where prompts without messages part is found out by the second one") {
    Harness h(recurrent());
    CHECK(ask(h, words(300) + words(80, 'a')) == 0);
    CHECK(ask(h, words(300) + words(80, 'b')) == 0);
    CHECK(ask(h, words(300) + words(80, 'c')) == 256);  // a multiple of 64
}

TEST_CASE("those that arrive together compute what they share once, choices included") {
    Harness h(recurrent());
    std::vector<std::uint64_t> ids;
    for (const char c : {'a', 'b', 'c', 'd'}) ids.push_back(h.arrive(words(400) + c, tokens(3)));
    h.run();
    for (std::size_t i = 0; i < 4; ++i)
        CHECK(h.seen[ids[i]].text.at(0) == h.expected(words(400) + static_cast<char>('a' + i), 3));
    CHECK(h.engine.rows_computed() < 401 + 3 * 20 + 12);
    h.engine.calls.clear();
    auto many = tokens(4);
    many.choices = 4;
    const auto id = h.arrive(words(350, 'Q'), many);
    h.run();
    for (std::uint32_t choice = 0; choice < 4; ++choice) CHECK(h.seen[id].text.at(choice) == h.expected(words(350, 'Q'), 4));
    CHECK(h.engine.rows_computed() == 350 + 3 + 4 * 3);
}

TEST_CASE("states of one tenant are invisible to another") {
    Harness h(recurrent());
    CHECK(ask(h, words(300), 5, "one") == 0);
    CHECK(ask(h, words(300), 5, "two") == 0);
    CHECK(ask(h, words(300), 5, "one") == 299);
}

TEST_CASE("a parked sequence goes on from its state") {
    auto shape = recurrent();
    shape.slots = 1;
    Harness h(shape);
    auto low = tokens(40);
    low.priority = 1;
    const auto parked = h.arrive(words(300), low);
    h.step(14);
    const auto before = h.engine.rows_computed();
    h.arrive("urgent", tokens(2));
    h.run();
    CHECK(h.seen[parked].text.at(0) == h.expected(words(300), 40));
    CHECK(h.scheduler.snapshot().metrics.parked == 1);
    CHECK(h.engine.rows_computed() - before < 50);
}

TEST_CASE("states outlive the process, at the borders of messages") {
    const TemporaryFolder folder;
    auto shape = recurrent();
    shape.folder = folder.path();
    {
        Harness h(shape);
        h.message_borders = {200};
        ask(h, words(300));
        h.scheduler.keep_for_next_start();
    }
    Harness h(shape);
    h.message_borders = {200};
    CHECK(ask(h, words(300)) == 299);
    CHECK(ask(h, words(200) + "something else") == 200);
}

TEST_CASE("without a place for states, or where there is none for one, everything is computed") {
    auto shape = recurrent();
    shape.host_bytes = 0;
    Harness none(shape);
    ask(none, words(300));
    CHECK(ask(none, words(300)) == 0);
    shape.host_bytes = 100;
    Harness small(shape);
    ask(small, words(300));
    CHECK(ask(small, words(300)) == 0);
}

TEST_CASE("a check computes the prompt without its state, and finds what is wrong") {
    auto shape = recurrent();
    shape.checks_prefixes = true;
    Harness h(shape);
    ask(h, words(300));
    h.engine.calls.clear();
    CHECK(ask(h, words(300)) == 299);
    CHECK(h.engine.rows_computed() == 1 + 300 + 4);
}
