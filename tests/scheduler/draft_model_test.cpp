#include "scheduler/draft_model.h"

#include <catch2/catch_test_macros.hpp>

#include "harness.h"

using namespace weft;
using namespace weft::test;

namespace {

Harness::Shape drafting(std::int32_t draft_cells = 1024) {
    return {.kv_cells = 2048, .max_batch_rows = 64, .max_outputs = 64, .window = 512, .draft_cells = draft_cells};
}

// A draft model that is right but for every n-th token.
void let_draft_err(Harness& h, std::size_t every) {
    h.draft_engine.next = [real = h.engine.next, every](const std::vector<Token>& tokens) {
        return every > 0 && tokens.size() % every == 0 ? Token{'!'} : real(tokens);
    };
}

GenerateRequest tokens(std::uint32_t n) { return {.prompt = TokenPrompt{}, .max_tokens = n}; }

EngineMetrics metrics_of(const Harness& h) { return h.scheduler.snapshot().metrics; }

}  // namespace

TEST_CASE("with a draft model that is mostly right an answer takes far fewer calls and is the very same") {
    Harness h(drafting());
    let_draft_err(h, 7);
    const auto id = h.arrive("a prompt of some length", tokens(200));
    h.run();
    CHECK(h.seen[id].text.at(0) == h.expected("a prompt of some length", 200));
    CHECK(h.seen[id].done->completion_tokens == 200);
    CHECK(h.engine.calls.size() < 90);
    CHECK(metrics_of(h).accepted_tokens > 110);
    CHECK(metrics_of(h).guessed_tokens > metrics_of(h).accepted_tokens);
    CHECK(metrics_of(h).draft_steps > 0);
}

TEST_CASE("a draft model that is wrong is hardly asked any more, and the answer is the same") {
    Harness h(drafting());
    h.draft_engine.next = [](const std::vector<Token>&) { return Token{'!'}; };
    const auto id = h.arrive("prompt", tokens(400));
    h.run();
    CHECK(h.seen[id].text.at(0) == h.expected("prompt", 400));
    CHECK(metrics_of(h).accepted_tokens == 0);
    CHECK(metrics_of(h).guessed_tokens < 60);
    CHECK(metrics_of(h).draft_steps < 70);
}

TEST_CASE("a draft model that is unsure of its tokens offers none") {
    Harness h(drafting());
    h.draft_engine.softness = 20;
    const auto id = h.arrive("prompt", tokens(50));
    h.run();
    CHECK(h.seen[id].tokens == 50);
    CHECK(metrics_of(h).guessed_tokens == 0);
}

TEST_CASE("seeded sampling gives the same text with and without a draft model, so its distribution is the same") {
    std::string answers[2];
    for (const bool drafts : {false, true}) {
        Harness h(drafting(drafts ? 1024 : 0));
        h.engine.softness = 14;  // other tokens are likely, too
        GenerateRequest request = tokens(300);
        request.sampling.temperature = 0.9F;
        request.sampling.seed = 7;
        const auto id = h.arrive("abcd", request);
        h.run();
        answers[drafts ? 1 : 0] = h.seen[id].text.at(0);
        if (drafts) CHECK(metrics_of(h).guessed_tokens > metrics_of(h).accepted_tokens);
        if (drafts) CHECK(metrics_of(h).accepted_tokens > 20);
    }
    CHECK(answers[0] == answers[1]);
}

TEST_CASE("a full batch asks the draft model nothing") {
    auto shape = drafting();
    shape.slots = 12;
    shape.max_sequences = 30;
    Harness h(shape);
    for (int i = 0; i < 12; ++i) h.arrive("prompt " + std::to_string(i), tokens(30));
    h.step(8);
    CHECK(h.scheduler.running() == 12);
    const auto steps = metrics_of(h).draft_steps;
    h.step(8);
    CHECK(metrics_of(h).draft_steps == steps);
    h.run();
}

TEST_CASE("a long prompt is caught up with over several steps, a second turn from where the first was") {
    Harness h(drafting());
    const std::string prompt(300, 'x');
    const auto first = h.arrive(prompt, tokens(60));
    h.run();
    const auto answer = h.seen[first].text.at(0);
    CHECK(answer == h.expected(prompt, 60));
    CHECK(metrics_of(h).accepted_tokens > 20);
    h.draft_engine.calls.clear();
    h.arrive(prompt + answer + " and then?", tokens(30));
    h.run();
    std::size_t rows = 0;
    for (const auto& call : h.draft_engine.calls) rows += call.size();
    CHECK(rows < 100);
}

TEST_CASE("a draft model without room, or one that fails, costs guesses and nothing else") {
    Harness narrow(drafting(90));
    std::vector<std::uint64_t> ids;
    for (int i = 0; i < 5; ++i) ids.push_back(narrow.arrive(std::string(30, static_cast<char>('a' + i)), tokens(40)));
    narrow.run();
    for (int i = 0; i < 5; ++i)
        CHECK(narrow.seen[ids[static_cast<std::size_t>(i)]].text.at(0) == narrow.expected(std::string(30, static_cast<char>('a' + i)), 40));
    Harness failing(drafting());
    const auto id = failing.arrive("prompt", tokens(60));
    for (int i = 0; i < 20; ++i) {
        failing.draft_engine.fail_next = i % 3 == 0;
        failing.step();
    }
    failing.run();
    CHECK(failing.seen[id].text.at(0) == failing.expected("prompt", 60));
}
