#include <random>
#include <set>
#include <string>
#include <vector>

#include "matching.h"

using namespace weft;
using namespace weft::test;

TEST_CASE("what may end and what has ended are told apart") {
    auto matcher = matcher_for("root ::= \"a\"+ \"b\"?");
    CHECK_FALSE(matcher.can_end());
    REQUIRE(matcher.accept("a"));
    CHECK(matcher.can_end());
    CHECK_FALSE(matcher.ended());
    REQUIRE(matcher.accept("b"));
    CHECK(matcher.ended());
    CHECK_FALSE(matcher.allows("a"));
}

TEST_CASE("refused text changes nothing") {
    auto matcher = matcher_for("root ::= \"abc\"");
    CHECK_FALSE(matcher.accept("abd"));
    CHECK_FALSE(matcher.allows("x"));
    CHECK(matcher.accept("abc"));
    CHECK(matcher.ended());
}

TEST_CASE("characters may be split between texts, but only whole UTF-8 is matched") {
    auto matcher = matcher_for("root ::= [ä-ü]{2} \"€\"");
    CHECK(matcher.accept("\xC3"));
    CHECK_FALSE(matcher.allows("a"));
    CHECK_FALSE(matcher.allows("\x80"));  // À is not between ä and ü
    CHECK(matcher.accept("\xA4\xC3"));
    CHECK(matcher.accept("\xBC\xE2"));
    CHECK_FALSE(matcher.can_end());
    CHECK(matcher.accept("\x82\xAC"));
    CHECK(matcher.ended());

    const auto any = "root ::= .*";
    CHECK(takes(any, "aä€😀"));
    CHECK_FALSE(takes(any, "\xC0\xAF"));          // overlong
    CHECK_FALSE(takes(any, "\xE0\x80\xAF"));      // overlong
    CHECK_FALSE(takes(any, "\xED\xA0\x80"));      // a surrogate
    CHECK_FALSE(takes(any, "\xF4\x90\x80\x80"));  // beyond the last character
    CHECK_FALSE(takes(any, "\xE2\x82"));          // cut off
    CHECK_FALSE(takes(any, "\xE2\x41"));
}

TEST_CASE("empty rounds of a loop end") {
    const auto gbnf = "root ::= (\"a\"* \"b\"*){3,} \"c\"";
    CHECK(takes(gbnf, "c"));
    CHECK(takes(gbnf, "aabbaabbc"));
    CHECK(takes("root ::= ((\"x\"?)*)* \"y\"", "xxxy"));
}

TEST_CASE("an empty rule returns to everybody who called it") {
    const auto gbnf = "root ::= a b a c\na ::= e \"x\"?\nb ::= e e\nc ::= e \"z\"\ne ::= \"\" | \"q\"";
    CHECK(takes(gbnf, "z"));
    CHECK(takes(gbnf, "xqqxqz"));
}

TEST_CASE("ambiguity costs no more than its places in the grammar") {
    // Each x doubles the ways to read the text.
    auto matcher = matcher_for("root ::= \"x\" root \"y\" | \"x\" root \"z\" | \"\"");
    REQUIRE(matcher.accept(std::string(300, 'x')));
    REQUIRE(matcher.accept(std::string(150, 'y') + std::string(150, 'z')));
    CHECK(matcher.ended());
}

TEST_CASE("long texts of one repetition need no memory") {
    auto matcher = matcher_for("root ::= \"[\" item (\",\" item){0,60000} \"]\"\nitem ::= \"(\" [a-z]{1,70000} \")\"");
    REQUIRE(matcher.accept("["));
    for (int i = 0; i < 20'000; ++i) REQUIRE(matcher.accept("(abc),"));
    REQUIRE(matcher.accept("(" + std::string(70'000, 'a')));
    CHECK_FALSE(matcher.allows("a"));
    CHECK(matcher.accept(")]"));
    CHECK(matcher.ended());
}

TEST_CASE("nesting has a bound") {
    auto matcher = matcher_for("root ::= \"[\" root? \"]\"");
    CHECK(matcher.accept(std::string(max_match_nesting / 3, '[')));
    CHECK_FALSE(matcher.accept(std::string(2 * max_match_nesting, '[')));
    CHECK(matcher.accept(std::string(max_match_nesting / 3, ']')));
    CHECK(matcher.ended());
}

TEST_CASE("a budget stops what takes too long") {
    auto matcher = matcher_for("root ::= (\"a\" | \"aa\" | \"aaa\"){1,500} \"!\"");
    matcher.set_budget(1000);
    CHECK_FALSE(matcher.accept(std::string(400, 'a')));
    CHECK(matcher.exhausted());
    matcher.set_budget(100'000'000);
    CHECK(matcher.accept(std::string(400, 'a') + "!"));
    CHECK_FALSE(matcher.exhausted());
}

TEST_CASE("what does not begin like an entry stands behind it") {
    const std::vector<std::string> texts{"b", "abc", "a", "abd", "abc", "ac", "", "abcde"};
    const TokenOrder order({texts.begin(), texts.end()});
    const auto& entries = order.entries();
    REQUIRE(entries.size() == 7);
    for (std::size_t i = 0; i < entries.size(); ++i)
        for (std::size_t n = entries[i].shared + 1; n <= entries[i].bytes.size(); ++n) {
            auto behind = i;
            while (behind < entries.size() && entries[behind].bytes.starts_with(entries[i].bytes.substr(0, n))) ++behind;
            CHECK(order.behind(i, n) == behind);
        }
}

TEST_CASE("a large vocabulary is asked like each of its tokens") {
    std::mt19937 random(7);
    std::vector<std::string> texts;
    for (int i = 0; i < 3000; ++i) {
        std::string text;
        for (auto n = 1 + random() % 5; n > 0; --n) text += "{}\":,aab01 \xC3\xA4"[random() % 13];
        texts.push_back(text);
    }
    const TokenOrder order({texts.begin(), texts.end()});
    auto matcher = matcher_for("root ::= \"{\" (pair (\",\" pair){0,2})? \"}\"\npair ::= \"\\\"\" [abä]{1,3} \"\\\":\" (root | [01]+)");
    for (int step = 0; step < 60 && !matcher.ended(); ++step) {
        std::set<std::int32_t> found, expected;
        matcher.for_each_allowed(order, [&](std::int32_t token) { found.insert(token); });
        for (std::size_t i = 0; i < texts.size(); ++i)
            if (matcher.allows(texts[i])) expected.insert(static_cast<std::int32_t>(i));
        CHECK(found == expected);
        REQUIRE_FALSE(expected.empty());
        REQUIRE(matcher.accept(texts[static_cast<std::size_t>(*std::next(expected.begin(), static_cast<std::ptrdiff_t>(random() % expected.size())))]));
    }
}

TEST_CASE("a whole vocabulary is asked like each of its tokens") {
    const std::vector<std::string> texts{"\"", "\"a", "a", "ab", "abc", "\"}", "{", "{\"", "1", "12", "12}", "\xC3", "ä", "", "}", "ab\"", "z"};
    const TokenOrder order({texts.begin(), texts.end()});
    for (const std::string before : {"", "{", "{\"", "{\"a", "{\"a\":1"}) {
        auto matcher = matcher_for("root ::= \"{\" \"\\\"\" [a-cä]{1,3} \"\\\"\" \":\" [0-9]+ \"}\"");
        REQUIRE(matcher.accept(before));
        std::set<std::int32_t> found;
        matcher.for_each_allowed(order, [&](std::int32_t token) { found.insert(token); });
        for (std::size_t i = 0; i < texts.size(); ++i) {
            INFO(before << " + " << texts[i]);
            CHECK(found.contains(static_cast<std::int32_t>(i)) == (!texts[i].empty() && matcher.allows(texts[i])));
        }
    }
}
