#include "scheduler/answer_guard.h"

#include <catch2/catch_test_macros.hpp>
#include <limits>
#include <string>
#include <vector>

using namespace weft;

namespace {

// Tokens by their text; the last one ends the generation.
class Words final : public Vocabulary {
  public:
    std::vector<std::string> texts{"<think>", "</think>", "\n\n", "{", "}", "\"a\"", ":", "1", "hm", "x", "</think>\n{", "<tool>", "[TOOL]", "ol>[1]", "<to", "[", "]", ""};
    [[nodiscard]] std::int32_t size() const override { return static_cast<std::int32_t>(texts.size()); }
    [[nodiscard]] std::string_view bytes_of(Token token) const override { return texts[static_cast<std::size_t>(token)]; }
    [[nodiscard]] Markup markup_of(Token token) const override {
        return texts[static_cast<std::size_t>(token)] == "[TOOL]" ? Markup::calls : Markup::none;
    }
    [[nodiscard]] bool ends_generation(Token token) const override { return token == size() - 1; }
    [[nodiscard]] Token find(std::string_view text) const {
        for (Token t = 0; t < size(); ++t)
            if (bytes_of(t) == text) return t;
        FAIL("no such token: " << text);
        return -1;
    }
    [[nodiscard]] Token end() const { return size() - 1; }
};

constexpr auto object = R"(root ::= "{" "\"a\"" ":" "1" "}")";

struct Scene {
    Words words;
    ConstraintCache cache{words};
    std::unique_ptr<AnswerGuard> guard;
    Sampler sampler = *Sampler::create({.temperature = 0}, static_cast<std::uint32_t>(Words().size()), 1);

    void begin(AnswerGuard::Rules rules, ConstraintPlan plan = {}) {
        if (plan.enforces()) rules.constraint = *cache.compile(plan);
        guard = std::make_unique<AnswerGuard>(std::move(rules), words);
    }
    // The model likes these tokens, the first most.
    std::string wants(const std::vector<std::string>& liked) {
        std::vector<float> logits(words.texts.size(), 0);
        float liking = 100;
        for (const auto& text : liked) logits[static_cast<std::size_t>(text.empty() ? words.end() : words.find(text))] = liking--;
        const auto token = guard->choose(sampler, logits);
        REQUIRE(token);
        guard->took(*token);
        return *token == words.end() ? "END" : words.texts[static_cast<std::size_t>(*token)];
    }
    void says(const std::vector<std::string>& texts) {
        for (const auto& text : texts) {
            INFO(text);
            REQUIRE(wants({text}) == text);
        }
    }
};

const ReplyFormat thinking{.thinking_open = "<think>", .thinking_close = "</think>"};

}  // namespace

TEST_CASE_METHOD(Scene, "an answer keeps to its grammar from its first token and ends with it") {
    begin({}, {.gbnf = object});
    CHECK(wants({"hm", "", "{"}) == "{");
    CHECK(wants({"}", "\"a\""}) == "\"a\"");
    says({":", "1"});
    CHECK_FALSE(guard->ended());
    CHECK(wants({"1", "", "}"}) == "}");
    CHECK(guard->ended());
}

TEST_CASE_METHOD(Scene, "the end may come where the grammar may end, and only there") {
    begin({}, {.gbnf = "root ::= \"1\" \"x\"?"});
    CHECK(wants({"", "1"}) == "1");
    CHECK(wants({"hm", ""}) == "END");
}

TEST_CASE_METHOD(Scene, "the thinking block stays free, and the grammar begins behind it and some white space") {
    begin({.format = thinking, .thinking_open = true}, {.gbnf = object, .after_thinking = true});
    says({"hm", "x", "}"});
    CHECK(wants({"", "hm"}) == "hm");  // an answer with a form is not over before it
    says({"</think>", "\n\n"});
    CHECK(wants({"hm", "{"}) == "{");
}

TEST_CASE_METHOD(Scene, "a model may think first or answer at once") {
    begin({.format = thinking}, {.gbnf = object, .after_thinking = true});
    CHECK(wants({"hm", "<think>"}) == "<think>");
    says({"hm", "</think>", "{", "\"a\"", ":", "1", "}"});
    CHECK(guard->ended());
    begin({.format = thinking}, {.gbnf = object, .after_thinking = true});
    CHECK(wants({"hm", "{"}) == "{");
    CHECK(wants({"<think>", "\"a\""}) == "\"a\"");
}

TEST_CASE_METHOD(Scene, "a model that is not to think does not think before an answer with a form") {
    begin({.format = thinking, .may_think = false}, {.gbnf = object, .after_thinking = true});
    CHECK(wants({"<think>", "{"}) == "{");
    begin({.format = thinking, .may_think = false}, {.gbnf = R"(root ::= "<tool>" "[" "1" "]")", .after_thinking = true, .triggers = {"<tool>"}});
    says({"hm", "<tool>", "["});
}

TEST_CASE_METHOD(Scene, "no other marker leaves the thinking block before an answer with a form") {
    begin({.format = thinking, .thinking_open = true}, {.gbnf = object, .after_thinking = true});
    CHECK(wants({"[TOOL]", "hm"}) == "hm");
    begin({.format = thinking, .thinking_open = true}, {.gbnf = R"(root ::= "<tool>" "[" "1" "]")", .after_thinking = true, .triggers = {"<tool>"}});
    CHECK(wants({"[TOOL]", "hm"}) == "[TOOL]");
}

TEST_CASE_METHOD(Scene, "white space that a form begins with is its own") {
    begin({.format = thinking, .thinking_open = true}, {.gbnf = R"(root ::= "\n\n" "x")", .after_thinking = true});
    says({"hm", "</think>"});
    CHECK(wants({"x", "\n\n"}) == "\n\n");
    CHECK(wants({"\n\n", "x"}) == "x");
    CHECK(guard->ended());
    begin({.format = thinking}, {.gbnf = R"(root ::= "\n\n" "x")", .after_thinking = true});
    says({"\n\n", "x"});
    CHECK(guard->ended());
}

TEST_CASE_METHOD(Scene, "one token may close the thinking and begin the answer, if the grammar likes it") {
    begin({.format = thinking, .thinking_open = true}, {.gbnf = object, .after_thinking = true});
    CHECK(wants({"</think>\n{"}) == "</think>\n{");
    CHECK(wants({"{", "\"a\""}) == "\"a\"");
    begin({.format = thinking, .thinking_open = true}, {.gbnf = "root ::= \"1\"", .after_thinking = true});
    CHECK(wants({"</think>\n{", "</think>"}) == "</think>");
}

TEST_CASE_METHOD(Scene, "white space between thinking and answer has an end") {
    begin({.format = thinking, .thinking_open = true}, {.gbnf = object, .after_thinking = true});
    says({"</think>"});
    for (std::size_t i = 0; i < max_gap_bytes / 2; ++i) says({"\n\n"});
    CHECK(wants({"\n\n", "{"}) == "{");
}

TEST_CASE_METHOD(Scene, "with triggers the answer is free until one of them") {
    begin({}, {.gbnf = R"(root ::= "<tool>" "[" "1" "]")", .triggers = {"<tool>"}});
    says({"hm", "{", "x"});
    CHECK(wants({"<to"}) == "<to");
    CHECK(wants({"hm"}) == "hm");  // not a trigger after all
    CHECK(wants({"<tool>"}) == "<tool>");
    CHECK(wants({"", "hm", "["}) == "[");
    says({"1", "]"});
    CHECK(guard->ended());
    begin({}, {.gbnf = R"(root ::= "<tool>" "[" "1" "]")", .triggers = {"<tool>"}});
    CHECK(wants({""}) == "END");
}

TEST_CASE_METHOD(Scene, "a trigger may be cut anywhere; what follows it in its last token must suit the grammar") {
    begin({}, {.gbnf = R"(root ::= "<tool>" "[" "1" "]")", .triggers = {"<tool>"}});
    says({"<to", "ol>[1]"});
    CHECK(guard->ended());
    begin({}, {.gbnf = R"(root ::= "<tool>" "{")", .triggers = {"<tool>"}});
    says({"<to"});
    CHECK(wants({"ol>[1]", "hm"}) == "hm");
}

TEST_CASE_METHOD(Scene, "control tokens are text only for a grammar that spells them") {
    begin({}, {.gbnf = "root ::= [A-Z\\x5B\\x5D]+"});
    CHECK(wants({"[TOOL]", "["}) == "[");
    begin({}, {.gbnf = R"(root ::= "[TOOL]" "1")", .triggers = {"[TOOL]"}});
    says({"hm", "[TOOL]", "1"});
    CHECK(guard->ended());
}

TEST_CASE_METHOD(Scene, "a spent thinking budget closes the block, with a grammar or without") {
    const std::vector<Token> closing{words.find("</think>"), words.find("\n\n")};
    begin({.format = thinking, .thinking_open = true, .thinking_budget = 2, .closing = closing});
    says({"hm", "hm"});
    CHECK(wants({"hm"}) == "</think>");
    CHECK(wants({"hm"}) == "\n\n");
    CHECK(wants({"</think>", "x"}) == "x");  // it has not noticed
    says({"hm", "x"});
    begin({.format = thinking, .thinking_budget = 0, .closing = closing}, {.gbnf = object, .after_thinking = true});
    says({"<think>"});
    CHECK(wants({"hm"}) == "</think>");
    CHECK(wants({"hm"}) == "\n\n");
    CHECK(wants({"hm", "{"}) == "{");
    begin({.format = thinking, .thinking_open = true, .thinking_budget = 2, .closing = closing});
    says({"hm", "</think>", "hm", "hm", "hm"});
}

TEST_CASE_METHOD(Scene, "whatever the template writes behind the block is no part of the form") {
    const std::vector<Token> closing{words.find("</think>"), words.find("x"), words.find("hm")};
    begin({.format = thinking, .thinking_open = true, .thinking_budget = 1, .closing = closing}, {.gbnf = object, .after_thinking = true});
    says({"hm"});
    for (const auto* word : {"</think>", "x", "hm"}) CHECK(wants({"{"}) == word);
    says({"{", "\"a\"", ":", "1", "}"});
    CHECK(guard->ended());
    begin({.format = thinking, .thinking_open = true, .thinking_budget = 1, .closing = closing},
          {.gbnf = R"(root ::= "<tool>" "[" "1" "]")", .after_thinking = true, .triggers = {"<tool>"}});
    says({"hm", "</think>", "x", "hm", "{", "<tool>", "["});
}

TEST_CASE_METHOD(Scene, "a grammar that the vocabulary cannot spell is an error of its own request") {
    begin({}, {.gbnf = "root ::= \"zzz\""});
    const auto token = guard->choose(sampler, std::vector<float>(words.texts.size(), 0));
    REQUIRE_FALSE(token);
    CHECK(token.error().code == ErrorCode::invalid_request);
}

TEST_CASE_METHOD(Scene, "what the model would have said anyway comes with the same random numbers") {
    std::vector<float> logits(words.texts.size(), -30);
    logits[static_cast<std::size_t>(words.find("1"))] = 1;
    logits[static_cast<std::size_t>(words.find("x"))] = 1.5F;
    auto free = *Sampler::create({.temperature = 1}, static_cast<std::uint32_t>(words.size()), 42);
    auto held = *Sampler::create({.temperature = 1}, static_cast<std::uint32_t>(words.size()), 42);
    begin({}, {.gbnf = "root ::= [1x]{100}"});
    for (int i = 0; i < 100; ++i) {
        const auto token = guard->choose(held, logits);
        REQUIRE(token);
        CHECK(*token == *free.sample(logits));
        guard->took(*token);
    }
}

TEST_CASE_METHOD(Scene, "refused tokens leave the others their proportions") {
    std::vector<float> logits(words.texts.size(), -std::numeric_limits<float>::infinity());
    logits[static_cast<std::size_t>(words.find("hm"))] = 3;
    logits[static_cast<std::size_t>(words.find("1"))] = 1;
    logits[static_cast<std::size_t>(words.find("x"))] = 0;
    auto random = *Sampler::create({.temperature = 1}, static_cast<std::uint32_t>(words.size()), 9);
    begin({}, {.gbnf = "root ::= [1x]*"});
    int ones = 0;
    constexpr int n = 20'000;
    for (int i = 0; i < n; ++i) {
        const auto token = guard->choose(random, logits);
        REQUIRE(token);
        ones += *token == words.find("1") ? 1 : 0;
    }
    const double share = static_cast<double>(ones) / n;  // e / (e + 1) = 0.731
    CHECK(share > 0.715);
    CHECK(share < 0.747);
}

TEST_CASE_METHOD(Scene, "grammars are compiled once and the oldest are forgotten") {
    const auto first = *cache.compile({.gbnf = object});
    CHECK((*cache.compile({.gbnf = object}))->grammar() == first->grammar());
    CHECK_FALSE(cache.compile({.gbnf = "root ::= ("}));
}
