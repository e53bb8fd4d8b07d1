#include "scheduler/scheduler.h"

#include <catch2/catch_test_macros.hpp>

#include "harness.h"

using namespace weft;
using namespace weft::test;

namespace {

GenerateRequest tokens(std::uint32_t n) { return {.prompt = TokenPrompt{}, .max_tokens = n}; }

std::string words(std::size_t n, char first = 'A') {
    std::string text;
    for (std::size_t i = 0; i < n; ++i) text += static_cast<char>(first + i % 23);
    return text;
}

}  // namespace

TEST_CASE("a request is prefilled, decoded and finished, and told in whole") {
    Harness h;
    const auto id = h.arrive("hello", tokens(6));
    h.run();
    const auto& seen = h.seen[id];
    CHECK(seen.text.at(0) == h.expected("hello", 6));
    CHECK(seen.tokens == 6);
    CHECK(seen.finished.at(0).reason == FinishReason::length);
    REQUIRE(seen.done);
    CHECK(seen.done->prompt_tokens == 5);
    CHECK(seen.done->completion_tokens == 6);
    CHECK(seen.done->timings.decode_ns > 0);
    CHECK(h.gate.inside() == 0);
}

TEST_CASE("a decode call carries the rows of all running sequences, and one frame their tokens") {
    Harness h;
    for (int i = 0; i < 4; ++i) h.arrive("prompt " + std::to_string(i), tokens(10));
    h.step(3);
    h.engine.calls.clear();
    h.frames = 0;
    h.step();
    REQUIRE(h.engine.calls.size() == 1);
    CHECK(h.engine.calls[0].size() == 4);
    CHECK(h.frames == 1);
}

TEST_CASE("the end-of-generation token ends the answer and is not shown") {
    Harness h;
    h.engine.next = [](const std::vector<Token>& t) { return t.size() < 8 ? Token{'x'} : ByteVocabulary::end; };
    const auto id = h.arrive("hello", tokens(50));
    h.run();
    CHECK(h.seen[id].text.at(0) == "xxx");
    CHECK(h.seen[id].finished.at(0).reason == FinishReason::stop);
    CHECK(h.seen[id].done->completion_tokens == 4);
}

TEST_CASE("ignore_eos generates past the end token") {
    Harness h;
    h.engine.next = [](const std::vector<Token>&) { return ByteVocabulary::end; };
    auto request = tokens(5);
    request.ignore_eos = true;
    const auto id = h.arrive("hello", request);
    h.run();
    CHECK(h.seen[id].done->completion_tokens == 5);
    CHECK(h.seen[id].finished.at(0).reason == FinishReason::length);
}

TEST_CASE("a stop string is cut off, nothing of it is ever sent") {
    Harness h;
    const std::string script = "one two STOP three";
    h.engine.next = [&](const std::vector<Token>& t) { return static_cast<Token>(script.at(t.size() - 2)); };
    auto request = tokens(18);
    request.stop = {"STOP"};
    const auto id = h.arrive("ab", request);
    h.run();
    CHECK(h.seen[id].text.at(0) == "one two ");
    CHECK(h.seen[id].finished.at(0).stop_string == "STOP");
    CHECK(h.seen[id].finished.at(0).reason == FinishReason::stop);
}

TEST_CASE("half a stop string at the end of an answer is text after all") {
    Harness h;
    const std::string script = "say STO!";
    h.engine.next = [&](const std::vector<Token>& t) { return static_cast<Token>(script.at(t.size() - 2)); };
    auto request = tokens(7);
    request.stop = {"STOP"};
    const auto id = h.arrive("ab", request);
    h.run();
    CHECK(h.seen[id].text.at(0) == "say STO");
}

TEST_CASE("stop strings do not count inside a thinking block, opened by the prompt or by the model") {
    for (const bool opened : {true, false}) {
        Harness h;
        const std::string script = std::string(opened ? "" : "<think>") + "no STOP here</think>but STOP there";
        h.engine.next = [&](const std::vector<Token>& t) { return static_cast<Token>(script.at(t.size() - 2)); };
        auto request = tokens(static_cast<std::uint32_t>(script.size()));
        request.stop = {"STOP"};
        const auto id = h.arrive("ab", request, true, opened);
        h.run();
        CHECK(h.seen[id].text.at(0) == script.substr(0, script.rfind("STOP")));
        CHECK(h.seen[id].finished.at(0).stop_string == "STOP");
    }
}

TEST_CASE("stop strings do not count inside tool calls") {
    const std::string tagged = "ok <tool_call>{\"text\": \"STOP\"}</tool_call>";
    const std::string on_channel = "<|channel|>commentary to=functions.f<|message|>{\"text\": \"STOP\"}";
    for (const auto& [style, offered] : std::vector<std::pair<CallStyle, bool>>{
             {CallStyle::hermes, true}, {CallStyle::hermes, false}, {CallStyle::harmony, true}}) {
        const auto& answer = style == CallStyle::harmony ? on_channel : tagged;
        Harness h;
        h.engine.next = [&](const std::vector<Token>& t) { return static_cast<Token>(answer.at(t.size() - 2)); };
        auto request = tokens(static_cast<std::uint32_t>(answer.size()));
        request.stop = {"STOP"};
        const auto id = h.arrive_as("ab", request, {.calls = style}, false, offered);
        h.run();
        CHECK(h.seen[id].text.at(0) == (offered ? answer : answer.substr(0, answer.find("STOP"))));
    }
}

TEST_CASE("outside chats a thinking tag is text like any other") {
    Harness h;
    const std::string script = "<think>STOP";
    h.engine.next = [&](const std::vector<Token>& t) { return static_cast<Token>(script.at(t.size() - 2)); };
    auto request = tokens(11);
    request.stop = {"STOP"};
    const auto id = h.arrive("ab", request);
    h.run();
    CHECK(h.seen[id].text.at(0) == "<think>");
}

TEST_CASE("every piece is whole UTF-8 although characters span tokens") {
    Harness h;
    const std::string script = "a\xF0\x9F\x98\x80z";
    h.engine.next = [&](const std::vector<Token>& t) {
        return static_cast<Token>(static_cast<unsigned char>(script.at(t.size() - 2)));
    };
    const auto id = h.arrive("ab", tokens(6));
    h.run();
    CHECK(h.seen[id].text.at(0) == script);
    CHECK(h.seen[id].pieces == 3);
    CHECK(h.seen[id].tokens == 6);
}

TEST_CASE("logprobs come one per token and are cut with the stop string") {
    Harness h;
    const std::string script = "abcSTOP";
    h.engine.next = [&](const std::vector<Token>& t) { return static_cast<Token>(script.at(t.size() - 2)); };
    auto request = tokens(7);
    request.stop = {"STOP"};
    request.logprobs = true;
    request.top_logprobs = 2;
    const auto id = h.arrive("xy", request);
    h.run();
    REQUIRE(h.seen[id].logprobs.size() == 3);
    CHECK(h.seen[id].logprobs[1].chosen.bytes == "b");
    CHECK(h.seen[id].logprobs[1].chosen.logprob <= 0);
    CHECK(h.seen[id].logprobs[1].top.size() == 2);
}

TEST_CASE("a prompt is scored without generating when nothing is asked for") {
    Harness h;
    auto request = tokens(0);
    request.prompt_logprobs = true;
    const auto id = h.arrive("scored prompt that is longer than one batch of thirty-two rows", request);
    h.run();
    CHECK(h.seen[id].prompt_logprobs.size() == 61);
    CHECK(h.seen[id].done->completion_tokens == 0);
    CHECK(h.seen[id].endings == 1);
}

TEST_CASE("the second identical prompt computes only its last token") {
    Harness h;
    const auto prompt = words(60);
    const auto first = h.arrive(prompt, tokens(4));
    h.run();
    const auto before = h.engine.rows_computed();
    const auto second = h.arrive(prompt, tokens(4));
    h.run();
    CHECK(h.engine.rows_computed() - before == 1 + 3);
    CHECK(h.seen[second].done->cached_tokens == 59);
    CHECK(h.seen[second].text.at(0) == h.seen[first].text.at(0));
}

TEST_CASE("a conversation's next turn takes over what its last one computed") {
    Harness h;
    const auto first = h.arrive(words(40), tokens(5));
    h.run();
    const auto turn = words(40) + h.seen[first].text.at(0) + "and then?";
    const auto second = h.arrive(turn, tokens(5));
    h.run();
    CHECK(h.seen[second].done->cached_tokens == 44);
    CHECK(h.seen[second].text.at(0) == h.expected(turn, 5));
}

TEST_CASE("a prefix is shared with a sequence that is still running") {
    Harness h;
    const auto system = words(50);
    h.arrive(system + "first question", tokens(40));
    h.step(4);
    const auto second = h.arrive(system + "second question", tokens(3));
    h.run();
    CHECK(h.seen[second].done->cached_tokens >= 50);
    CHECK(h.seen[second].text.at(0) == h.expected(system + "second question", 3));
}

TEST_CASE("requests that arrive together for the same prompt prefill it once") {
    Harness h;
    const auto system = words(80);
    std::vector<std::uint64_t> ids;
    for (int i = 0; i < 6; ++i) ids.push_back(h.arrive(system + std::to_string(i), tokens(2)));
    h.run();
    CHECK(h.engine.rows_computed() <= 81 + 5 * 2 + 6 * 2);
    for (int i = 0; i < 6; ++i) CHECK(h.seen[ids[static_cast<std::size_t>(i)]].text.at(0) == h.expected(system + std::to_string(i), 2));
}

TEST_CASE("the choices of a request share one prefill and end separately") {
    Harness h;
    auto request = tokens(5);
    request.choices = 4;
    const auto id = h.arrive(words(70), request);
    h.run();
    CHECK(h.seen[id].finished.size() == 4);
    CHECK(h.seen[id].done->prompt_tokens == 70);
    CHECK(h.seen[id].done->completion_tokens == 20);
    CHECK(h.engine.rows_computed() == 70 + 3 + 4 * 4);
}

TEST_CASE("the cache of one tenant is invisible to another") {
    Harness h;
    auto request = tokens(2);
    request.tenant = "alice";
    h.arrive(words(50), request);
    h.run();
    request.tenant = "bob";
    const auto other = h.arrive(words(50), request);
    h.run();
    CHECK(h.seen[other].done->cached_tokens == 0);
}

TEST_CASE("a request cancelled while it waits, prefills or decodes gives its cells back before the next batch") {
    Harness h({.slots = 1});
    const auto decoding = h.arrive("first", tokens(100));
    const auto waiting = h.arrive("second", tokens(100));
    h.step(3);
    h.cancel(waiting);
    h.cancel(decoding);
    h.engine.calls.clear();
    h.step();
    CHECK(h.engine.calls.empty());
    CHECK(h.seen[waiting].error->code == ErrorCode::cancelled);
    CHECK(h.seen[decoding].error->code == ErrorCode::cancelled);
    const auto prefilling = h.arrive(words(100, 'B'), tokens(5));
    h.step();
    h.cancel(prefilling);
    h.engine.calls.clear();
    h.step();
    CHECK(h.engine.calls.empty());
    CHECK(h.gate.inside() == 0);
}

TEST_CASE("a cancel that overtakes its request still ends it") {
    Harness h;
    h.cancel(1);
    h.step();
    const auto id = h.arrive("late", tokens(5));
    REQUIRE(id == 1);
    h.run();
    CHECK(h.seen[id].error->code == ErrorCode::cancelled);
    CHECK(h.engine.calls.empty());
}

TEST_CASE("a sequence whose window is full ends with length") {
    Harness h({.window = 20});
    const auto id = h.arrive(words(10), GenerateRequest{.prompt = TokenPrompt{}});
    h.run();
    CHECK(h.seen[id].finished.at(0).reason == FinishReason::length);
    CHECK(h.seen[id].done->completion_tokens == 10);
}

TEST_CASE("with shift a full window forgets its oldest half and goes on") {
    Harness h({.window = 20});
    auto request = tokens(50);
    request.shift = true;
    request.keep_tokens = 4;
    const auto id = h.arrive(words(10), request);
    h.run();
    CHECK(h.seen[id].done->completion_tokens == 50);
    CHECK(h.seen[id].finished.at(0).reason == FinishReason::length);
}

TEST_CASE("when cells run short the youngest is parked and resumed, never failed") {
    Harness h({.kv_cells = 96, .window = 80, .slots = 4});
    std::vector<std::uint64_t> ids;
    std::vector<std::string> prompts;
    for (int i = 0; i < 4; ++i) {
        prompts.push_back(std::string(1, static_cast<char>('K' + i)) + words(12));
        ids.push_back(h.arrive(prompts.back(), tokens(40)));
    }
    h.run();
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(h.seen[ids[i]].text.at(0) == h.expected(prompts[i], 40));
        CHECK(h.seen[ids[i]].endings == 1);
    }
}

TEST_CASE("a slow reader stands still alone") {
    Harness h;
    const auto slow = h.arrive("slow", tokens(30));
    const auto quick = h.arrive("quick", tokens(30));
    h.step(3);
    h.pause(slow, true);
    h.step(5);
    const auto before = h.seen[slow].tokens;
    h.step(5);
    CHECK(h.seen[slow].tokens == before);
    CHECK(h.seen[quick].tokens > before);
    h.pause(slow, false);
    h.run();
    CHECK(h.seen[slow].text.at(0) == h.expected("slow", 30));
}

TEST_CASE("a failed decode ends the requests of that batch with an error and no others") {
    Harness h({.slots = 1});
    const auto hit = h.arrive("hit", tokens(5));
    const auto spared = h.arrive("spared", tokens(5));
    h.engine.fail_next = true;
    h.run();
    CHECK(h.seen[hit].error->code == ErrorCode::engine_failed);
    CHECK(h.seen[spared].text.at(0) == h.expected("spared", 5));
    CHECK(h.gate.inside() == 0);
}

TEST_CASE("smaller priorities start first") {
    Harness h({.slots = 1});
    h.arrive("running", tokens(3));
    h.step();
    const auto batch = h.arrive("batch work", tokens(2));
    auto urgent = tokens(2);
    urgent.priority = -5;
    const auto first = h.arrive("urgent", urgent);
    while (!h.seen[first].done) h.step();
    CHECK_FALSE(h.seen[batch].done.has_value());
    h.run();
}

TEST_CASE("memory that cannot be taken apart is never shared") {
    Harness h({.memory = MemoryKind::none});
    h.arrive(words(40), tokens(2));
    h.run();
    const auto second = h.arrive(words(40), tokens(2));
    h.run();
    CHECK(h.seen[second].done->cached_tokens == 0);
    CHECK(h.engine.used_cells() == 0);
}

TEST_CASE("clients that do not read keep no places: others go on, and they themselves once they read") {
    Harness h({.slots = 2});
    const auto first = h.arrive("first", tokens(30)), second = h.arrive("second", tokens(30));
    h.step(5);
    h.pause(first, true), h.pause(second, true);
    h.step(2);
    const auto before = h.seen[first].tokens;
    const auto third = h.arrive("third", tokens(8)), fourth = h.arrive("fourth", tokens(8)), fifth = h.arrive("fifth", tokens(8));
    h.step(60);
    for (const auto id : {third, fourth, fifth}) CHECK(h.seen[id].done.has_value());
    CHECK(h.seen[first].tokens == before);
    h.pause(first, false), h.pause(second, false);
    h.run();
    CHECK(h.seen[first].text[0] == h.expected("first", 30));
    CHECK(h.seen[second].text[0] == h.expected("second", 30));
}

TEST_CASE("an idle scheduler goes on beating") {
    Harness h;
    h.step();
    const int before = h.heartbeats;
    h.step(3);
    CHECK(h.heartbeats > before);
}
