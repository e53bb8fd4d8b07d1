#include "api/openai/chat_stream.h"

#include <catch2/benchmark/catch_benchmark.hpp>
#include <catch2/catch_test_macros.hpp>

#include "api/json_reader.h"
#include "api/openai/chat_response.h"

using namespace weft;
using namespace weft::api::openai;

namespace {

const AnswerHead head{.id = "chatcmpl-1", .created = 1, .model = "demo", .fingerprint = "fp_0"};

std::vector<GenerationEvent> events_of(std::uint32_t choices, const std::vector<std::string>& pieces) {
    std::vector<GenerationEvent> events{PromptAccepted{.prompt_tokens = 3}};
    for (const auto& text : pieces)
        for (std::uint32_t c = 0; c < choices; ++c)
            events.emplace_back(TextPiece{.choice = c,
                                          .text = text,
                                          .n_tokens = 1,
                                          .logprobs = {{.chosen = {.logprob = -0.25F, .bytes = text}}}});
    for (std::uint32_t c = 0; c < choices; ++c) events.emplace_back(ChoiceFinished{.choice = c});
    events.emplace_back(
        GenerationDone{.prompt_tokens = 3, .completion_tokens = static_cast<std::uint32_t>(pieces.size())});
    return events;
}

std::string streamed(ChatAnswerOptions options, const std::vector<GenerationEvent>& events) {
    ChatStreamWriter writer(head, options);
    std::string out;
    for (const auto& event : events) writer.add(event, out);
    return out;
}

// The JSON objects of a stream, without [DONE].
std::vector<api::Json> chunks_of(std::string_view stream) {
    std::vector<api::Json> chunks;
    while (!stream.empty()) {
        REQUIRE(stream.starts_with("data: "));
        const auto end = stream.find("\n\n");
        REQUIRE(end != std::string_view::npos);
        const auto data = stream.substr(6, end - 6);
        stream.remove_prefix(end + 2);
        if (data == "[DONE]") {
            CHECK(stream.empty());
            return chunks;
        }
        auto json = api::parse_json(data);
        REQUIRE(json.has_value());
        chunks.push_back(std::move(*json));
    }
    FAIL("a stream ends with [DONE]");
    return chunks;
}

std::string joined(const std::vector<api::Json>& chunks, std::int64_t index, std::string_view field) {
    std::string text;
    for (const auto& chunk : chunks) {
        const auto choices = *api::JsonReader(chunk)["choices"].array().value();
        for (const auto& choice : choices)
            if (choice["index"].integer().value() == index)
                text += choice["delta"][field].string().value().value_or("");
    }
    return text;
}

const std::vector<std::string> awkward{"<think>", "a\"\n", "</thi", "nk>\n",   "\n\n",
                                       "<b>",     " é",    "漢😀",   "\\ \x01", "<think>"};

}  // namespace

TEST_CASE("the deltas of a stream add up to the answer that is not streamed") {
    const ReplyRules rules{.format = {.thinking_open = "<think>", .thinking_close = "</think>"}};
    for (const std::uint32_t choices : {1U, 3U}) {
        const auto events = events_of(choices, awkward);
        const auto chunks = chunks_of(streamed({.choices = choices, .logprobs = true, .rules = rules}, events));
        ChatAnswer answer({.choices = choices, .logprobs = true, .rules = rules});
        for (const auto& event : events) answer.add(event);
        const auto whole = api::parse_json(answer.body(head));
        REQUIRE(whole.has_value());
        const auto all = *api::JsonReader(*whole)["choices"].array().value();
        REQUIRE(all.size() == choices);
        for (const auto& choice : all) {
            const auto index = choice["index"].integer().value().value();
            CHECK(joined(chunks, index, "content") == choice["message"]["content"].string().value());
            CHECK(joined(chunks, index, "reasoning") == choice["message"]["reasoning"].string().value());
            CHECK(joined(chunks, index, "role") == "assistant");
        }
    }
}

TEST_CASE("every chunk has at most one choice, every choice one role and one finish reason") {
    const auto chunks = chunks_of(streamed({.choices = 4, .include_usage = true}, events_of(4, {"a", "b"})));
    std::vector<int> roles(4), finishes(4);
    for (const auto& chunk : chunks) {
        const auto choices = *api::JsonReader(chunk)["choices"].array().value();
        CHECK(choices.size() <= 1);
        if (choices.empty()) continue;
        const auto index = static_cast<std::size_t>(*choices[0]["index"].integer().value());
        roles[index] += !choices[0]["delta"]["role"].absent();
        finishes[index] += !choices[0]["finish_reason"].absent();
    }
    CHECK(roles == std::vector{1, 1, 1, 1});
    CHECK(finishes == std::vector{1, 1, 1, 1});
    CHECK(api::JsonReader(chunks.back())["choices"].array().value()->empty());
}

TEST_CASE("a stream without PromptAccepted begins with its first text") {
    auto events = events_of(1, {"a"});
    events.erase(events.begin());
    const auto chunks = chunks_of(streamed({}, events));
    CHECK(joined(chunks, 0, "role") == "assistant");
    CHECK(joined(chunks, 0, "content") == "a");
}

TEST_CASE("events of choices that nobody asked for are dropped") {
    auto events = events_of(2, {"a"});
    CHECK(joined(chunks_of(streamed({.choices = 1}, events)), 1, "content").empty());
    ChatAnswer answer({.choices = 1});
    for (const auto& event : events) answer.add(event);
    CHECK(api::JsonReader(*api::parse_json(answer.body(head)))["choices"].array().value()->size() == 1);
}

TEST_CASE("what one chunk costs", "[!benchmark]") {
    ChatStreamWriter writer(head, {});
    std::string out;
    writer.add(PromptAccepted{}, out);
    BENCHMARK("a token as a chunk") {
        out.clear();
        writer.add(TextPiece{.text = " token", .n_tokens = 1}, out);
        return out.size();
    };
}
