#include "grammar/pattern_finder.h"

#include <catch2/catch_test_macros.hpp>

namespace weft {
namespace {

// The text with what was found in brackets.
std::string marked(const PatternFinder& finder, std::string_view text) {
    std::string out;
    std::size_t from = 0;
    for (const auto& span : finder.find(text)) {
        out += std::string(text.substr(from, span.begin - from)) + "[" + std::string(text.substr(span.begin, span.end - span.begin)) + "]";
        from = span.end;
    }
    return out + std::string(text.substr(from));
}

std::string pattern(std::string_view regex, std::string_view text, bool ignore_case = false) {
    PatternFinder finder;
    REQUIRE(finder.add_pattern(regex, ignore_case));
    return marked(finder, text);
}

}  // namespace

TEST_CASE("every part that a pattern matches is found") {
    CHECK(pattern("[0-9]+", "a12b345") == "a[12]b[345]");
    CHECK(pattern("ab|b", "ab b") == "[ab] [b]");
    CHECK(pattern("a{2,3}", "a aa aaaa") == "a [aa] [aaaa]");
    CHECK(pattern("x(yz)*w", "xw xyzyzw xy") == "[xw] [xyzyzw] xy");
    CHECK(pattern("[\\w.]+@[\\w.]+", "write to ana@example.com, now") == "write to [ana@example.com], now");
    CHECK(pattern("^a", "aa") == "[a]a");
    CHECK(pattern("a$", "aa") == "a[a]");
    CHECK(pattern("a*", "bbb") == "bbb");
    CHECK(pattern("\u00e9", "caf\u00e9") == "caf[\u00e9]");
    CHECK(pattern(".", "a\xff\n") == "[a]\xff\n");
}

TEST_CASE("matches that overlap or touch are one part") {
    CHECK(pattern("aba", "ababa") == "[ababa]");
    CHECK(pattern("a", "aa") == "[aa]");
    CHECK(pattern("a.*b|c", "a c b c") == "[a c b] [c]");
}

TEST_CASE("literal texts mean nothing but themselves, and case counts as it is told to") {
    PatternFinder finder;
    REQUIRE(finder.add_literal("a.b", false));
    REQUIRE(finder.add_literal("Secret", true));
    CHECK(marked(finder, "axb a.b A.B SECRET sEcret") == "axb [a.b] A.B [SECRET] [sEcret]");
    CHECK_FALSE(finder.add_literal("", false));
    CHECK(pattern("[a-c]+", "ABCD abc", true) == "[ABC]D [abc]");
}

TEST_CASE("what is broken or too large is refused and changes nothing") {
    PatternFinder finder;
    CHECK_FALSE(finder.add_pattern("(", false));
    CHECK_FALSE(finder.add_pattern("(a{100}){100}", false));
    CHECK_FALSE(finder.add_pattern("(?=a)", false));
    CHECK(finder.empty());
    CHECK(finder.find("aaa").empty());
}

TEST_CASE("patterns that defeat backtracking are followed in time that grows with the text alone") {
    const std::string text(200'000, 'a');
    CHECK(pattern("(a*)*b", text) == text);
    CHECK(pattern("(a|aa)+$", text) == "[" + text + "]");
    CHECK(pattern("a.*a.*a.*b|c", text + "c") == text + "[c]");
    CHECK(pattern("(x+x+)+y", std::string(100'000, 'x')) == std::string(100'000, 'x'));
}

}  // namespace weft
