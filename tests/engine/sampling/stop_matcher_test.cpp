#include "engine/sampling/stop_matcher.h"

#include <algorithm>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "engine/sampling/random.h"
#include "engine/sampling/utf8.h"

namespace weft {
namespace {

using Strings = std::vector<std::string>;

struct Ended {
    std::string text;
    std::string stop;  // empty: none matched
    bool operator==(const Ended&) const = default;
};

Ended run(const Strings& stops, const Strings& pieces) {
    StopMatcher matcher(stops);
    Ended ended;
    for (const auto& piece : pieces) ended.text += matcher.feed(piece);
    ended.text += matcher.finish();
    ended.stop = matcher.matched().value_or("");
    return ended;
}

// The definition: the first position at which any stop string ends; of those that end there the longest.
Ended definition(const Strings& stops, const std::string& text) {
    for (std::size_t end = 1; end <= text.size(); ++end) {
        std::string longest;
        for (const auto& stop : stops)
            if (stop.size() > longest.size() && text.substr(0, end).ends_with(stop)) longest = stop;
        if (!longest.empty()) return {text.substr(0, end - longest.size()), longest};
    }
    return {text, ""};
}

TEST_CASE("a stop string ends the text and is not part of it") {
    CHECK(run({"STOP"}, {"go on STOP never"}) == Ended{"go on ", "STOP"});
    CHECK(run({"STOP"}, {"go on"}) == Ended{"go on", ""});
    CHECK(run({}, {"any", "thing"}) == Ended{"anything", ""});
    CHECK(run({""}, {"any", "thing"}) == Ended{"anything", ""});
    CHECK(run({"", "x"}, {"axb"}) == Ended{"a", "x"});
}

TEST_CASE("a stop string is found however the text is split, and no byte of it is ever sent") {
    const std::string text = "one ###\n two \u20AC### three<|end|>four";
    for (const Strings& stops : {Strings{"<|end|>"}, Strings{"###  ", "<|end|>"}, Strings{"\u20AC##", "<"}, Strings{"\n two"}})
        for (std::size_t first = 0; first <= text.size(); ++first)
            for (std::size_t second = first; second <= text.size(); ++second)
                REQUIRE(run(stops, {text.substr(0, first), text.substr(first, second - first), text.substr(second)}) ==
                        definition(stops, text));
}

TEST_CASE("only what may still become a stop string is held back") {
    StopMatcher matcher(Strings{"</end>", "<br>"});
    CHECK(matcher.feed("text <") == "text ");
    CHECK(matcher.held_back() == 1);
    CHECK(matcher.feed("b") == "");
    CHECK(matcher.feed("x") == "<bx");
    CHECK(matcher.feed("</") == "");
    CHECK(matcher.feed("<br") == "</");
    CHECK(matcher.finish() == "<br");
    CHECK_FALSE(matcher.matched());
}

TEST_CASE("the stop string that is complete first wins, of two that end together the longer") {
    CHECK(run({"abcd", "bc"}, {"xabcd"}) == Ended{"xa", "bc"});
    CHECK(run({"bc", "abc"}, {"xabc"}) == Ended{"x", "abc"});
    CHECK(run({"abc", "bc"}, {"xabc"}) == Ended{"x", "abc"});
    CHECK(run({"a", "ab"}, {"ab"}) == Ended{"", "a"});
}

TEST_CASE("nothing comes after a match") {
    StopMatcher matcher(Strings{"x"});
    CHECK(matcher.feed("ax") == "a");
    CHECK(matcher.feed("more") == "");
    CHECK(matcher.finish() == "");
    CHECK(matcher.matched() == "x");
}

TEST_CASE("random overlapping stop strings over a small alphabet match as defined") {
    Random random(77);
    const auto word = [&](std::size_t longest) {
        std::string out;
        for (std::size_t n = random.next() % (longest + 1); n > 0; --n) out.push_back("abc"[random.next() % 3]);
        return out;
    };
    int matched = 0;
    for (int round = 0; round < 20000; ++round) {
        Strings stops;
        for (std::size_t n = random.next() % 5; n > 0; --n) stops.push_back(word(6));
        Strings pieces;
        std::string text;
        for (std::size_t n = random.next() % 12; n > 0; --n) text += pieces.emplace_back(word(4));
        const auto ended = run(stops, pieces);
        REQUIRE(ended == definition(stops, text));
        matched += ended.stop.empty() ? 0 : 1;
    }
    CHECK(matched > 5000);
}

TEST_CASE("pieces of whole UTF-8 give whole UTF-8, also when characters share their first bytes with a stop string") {
    StopMatcher matcher(Strings{"\u20AC\u20AD", "\u20AE"});
    for (const char* piece : {"\u20AC", "\u20AB", "x", "\u20AC", "\u20AC", "y"})
        CHECK(is_whole_utf8(matcher.feed(piece)));
}

TEST_CASE("long repetitive stop strings do not make long repetitive text slow") {
    // Checked by counting, not by time: naive matching would need 10^9 comparisons here and trip the test's time limit.
    const Strings stops{std::string(1000, 'a') + "b", std::string(1023, 'a') + "c"};
    const std::string text(1'000'000, 'a');
    StopMatcher matcher(stops);
    std::size_t sent = 0;
    for (std::size_t at = 0; at < text.size(); at += 10) sent += matcher.feed(text.substr(at, 10)).size();
    CHECK(sent == text.size() - 1023);
    CHECK(matcher.feed("b").size() == 23);
    CHECK(matcher.matched() == stops[0]);
}

}  // namespace
}  // namespace weft
