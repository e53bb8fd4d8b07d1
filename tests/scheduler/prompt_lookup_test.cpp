#include "scheduler/prompt_lookup.h"

#include <catch2/catch_test_macros.hpp>
#include <random>

#include "harness.h"

using namespace weft;
using namespace weft::test;

namespace {

std::string guess(std::string_view text, std::size_t most) {
    const auto tokens = tokens_of(text);
    std::string found;
    for (const auto token : look_up_prompt(tokens, most)) found += static_cast<char>(token);
    return found;
}

Harness::Shape guessing() { return {.kv_cells = 2048, .max_batch_rows = 64, .max_outputs = 64, .window = 512, .guesses = true}; }

}  // namespace

TEST_CASE("what followed the last tokens before is the guess, the newest place counts") {
    CHECK(guess("one two one t", 3) == "wo ");
    CHECK(guess("abcX abcY abc", 1) == "Y");
    CHECK(guess("abcdefabcd", 9) == "efabcd");
    CHECK(guess("aaaaa", 4) == "a");
}

TEST_CASE("no guess without three tokens that were there before") {
    CHECK(guess("abc xbc", 4).empty());
    CHECK(guess("ab", 4).empty());
    CHECK(guess("", 4).empty());
    CHECK(guess("one two one t", 0).empty());
}

TEST_CASE("guesses grow while they are right and rest while they are not") {
    GuessMeter meter;
    for (int i = 0; i < 5; ++i) meter.note(meter.length(), meter.length());
    CHECK(meter.length() == 30);
    int until_rest = 0;
    while (meter.length() > 0) meter.note(meter.length(), 0), ++until_rest;
    CHECK(until_rest < 10);
    int resting = 0;
    while (meter.length() == 0) meter.note(0, 0), ++resting;
    CHECK(resting == 48);
    CHECK(meter.length() == 2);
}

TEST_CASE("a full batch does not guess") {
    CHECK(guesses_allowed(1) == 30);
    CHECK(guesses_allowed(8) == 3);
    CHECK(guesses_allowed(9) == 0);
    CHECK(guesses_allowed(0) == 0);
}

TEST_CASE("a repetitive answer takes fewer calls and is the very same") {
    std::string answers[2];
    std::size_t calls[2]{};
    for (const bool guesses : {false, true}) {
        auto shape = guessing();
        shape.guesses = guesses;
        Harness h(shape);
        h.engine.next = [](const std::vector<Token>& t) { return static_cast<Token>('a' + t.size() * 7 % 19 % 11); };
        const auto id = h.arrive("start", GenerateRequest{.prompt = TokenPrompt{}, .max_tokens = 200});
        h.run();
        answers[guesses ? 1 : 0] = h.seen[id].text.at(0);
        calls[guesses ? 1 : 0] = h.engine.calls.size();
        CHECK(h.seen[id].tokens == 200);
        CHECK(h.seen[id].done->completion_tokens == 200);
        const auto metrics = h.scheduler.snapshot().metrics;
        CHECK((metrics.accepted_tokens > 100) == guesses);
    }
    CHECK(answers[0] == answers[1]);
    CHECK(calls[1] * 3 < calls[0]);
}

TEST_CASE("guesses stop at stop strings, at the end token, at max_tokens and at the window") {
    for (const std::uint32_t most : {1U, 2U, 7U, 50U}) {
        Harness h(guessing());
        h.engine.next = [](const std::vector<Token>& t) { return static_cast<Token>("abcd"[t.size() % 4]); };
        const auto id = h.arrive("abcdabcdabcd", GenerateRequest{.prompt = TokenPrompt{}, .max_tokens = most});
        h.run();
        CHECK(h.seen[id].done->completion_tokens == most);
        CHECK(h.seen[id].text.at(0) == h.expected("abcdabcdabcd", most));
    }
    Harness h(guessing());
    h.engine.next = [](const std::vector<Token>& t) { return t.size() == 31 ? ByteVocabulary::end : static_cast<Token>("abcd"[t.size() % 4]); };
    const auto ends = h.arrive("abcdabcdabcd", GenerateRequest{.prompt = TokenPrompt{}});
    h.run();
    CHECK(h.seen[ends].text.at(0).size() == 19);
    CHECK(h.seen[ends].finished.at(0).reason == FinishReason::stop);
    auto shape = guessing();
    shape.window = 40;
    Harness narrow(shape);
    narrow.engine.next = [](const std::vector<Token>& t) { return static_cast<Token>("abcd"[t.size() % 4]); };
    const auto full = narrow.arrive("abcdabcdabcd", GenerateRequest{.prompt = TokenPrompt{}});
    narrow.run();
    CHECK(narrow.seen[full].done->completion_tokens == 28);
}

TEST_CASE("seeded sampling gives the same text with and without guesses") {
    std::string answers[2];
    for (const bool guesses : {false, true}) {
        auto shape = guessing();
        shape.guesses = guesses;
        Harness h(shape);
        h.engine.softness = 14;  // other tokens are likely, too
        h.engine.next = [](const std::vector<Token>& t) { return static_cast<Token>("abcd"[t.size() % 4]); };
        GenerateRequest request{.prompt = TokenPrompt{}, .max_tokens = 300};
        request.sampling.temperature = 0.9F;
        request.sampling.seed = 7;
        const auto id = h.arrive("abcdabcdabcd", request);
        h.run();
        answers[guesses ? 1 : 0] = h.seen[id].text.at(0);
        if (guesses) CHECK(h.scheduler.snapshot().metrics.guessed_tokens > h.scheduler.snapshot().metrics.accepted_tokens);
    }
    CHECK(answers[0] == answers[1]);
}
