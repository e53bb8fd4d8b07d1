#include "cli/word_wrap.h"

#include <catch2/catch_test_macros.hpp>
#include <random>
#include <vector>

#include "cli/text_width.h"

using namespace weft::cli;

namespace {

// What a terminal would show after that output: it understands line ends, cursor left and erase to the end of the line.
std::vector<std::string> screen_of(const std::string& output) {
    std::vector<std::u32string> lines(1);
    std::string_view rest = output;
    while (!rest.empty()) {
        if (rest.starts_with("\x1b[")) {
            const auto end = rest.find_first_of("DK");
            if (rest[end] == 'D') {
                // Wide characters count twice.
                auto columns = std::stoi(std::string(rest.substr(2, end - 2)));
                while (columns > 0) {
                    columns -= width_of(lines.back().back());
                    lines.back().pop_back();
                }
            }
            rest.remove_prefix(end + 1);
            continue;
        }
        const CodePoint next = first_code_point(rest);
        if (next.value == '\n') lines.emplace_back();
        else lines.back() += next.value;
        rest.remove_prefix(next.bytes);
    }
    std::vector<std::string> shown;
    for (const auto& line : lines) {
        std::string text;
        for (const char32_t c : line) {
            if (c < 0x80) text += static_cast<char>(c);
            else if (c < 0x800) text += {static_cast<char>(0xc0 | (c >> 6)), static_cast<char>(0x80 | (c & 0x3f))};
            else text += {static_cast<char>(0xe0 | (c >> 12)), static_cast<char>(0x80 | ((c >> 6) & 0x3f)), static_cast<char>(0x80 | (c & 0x3f))};
        }
        shown.push_back(text);
    }
    return shown;
}

std::vector<std::string> wrap(std::size_t columns, const std::vector<std::string>& pieces) {
    WordWrap wrap(columns);
    std::string output;
    for (const auto& piece : pieces) output += wrap.feed(piece);
    return screen_of(output);
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a line is broken at the last blank that fits") {
    CHECK(wrap(11, {"the quick brown fox"}) == Lines{"the quick ", "brown fox"});
}

TEST_CASE("a word that grows beyond the line moves to the next one") {
    CHECK(wrap(11, {"the quick br", "ow", "n fox"}) == Lines{"the quick ", "brown fox"});
}

TEST_CASE("what came in is shown at once") {
    WordWrap wrap(40);
    CHECK(wrap.feed("unfini") == "unfini");
}

TEST_CASE("a word longer than a line is cut") {
    CHECK(wrap(6, {"abcdefghijkl"}) == Lines{"abcde", "fghij", "kl"});
}

TEST_CASE("CJK breaks anywhere, two columns a character") {
    CHECK(wrap(6, {"日本語文字"}) == Lines{"日本", "語文", "字"});
}

TEST_CASE("line ends of the text stay, and a new line starts at its beginning") {
    CHECK(wrap(11, {"one\n\ntwo"}) == Lines{"one", "", "two"});
    CHECK(wrap(11, {"0123456789", "\nnext"}) == Lines{"0123456789", "next"});
}

TEST_CASE("a blank at the end of the line becomes the line end") {
    CHECK(wrap(6, {"abcde fgh"}) == Lines{"abcde", "fgh"});
}

TEST_CASE("a character cut between two pieces is put together") {
    CHECK(wrap(20, {"\xe6\x97", "\xa5!"}) == Lines{"日!"});
}

TEST_CASE("without a width nothing is changed") {
    WordWrap wrap(0);
    CHECK(wrap.feed("a b\tc\n") == "a b\tc\n");
}

TEST_CASE("however a text is cut, no line is too wide and nothing but blanks is lost") {
    std::mt19937 random(7);
    const std::vector<std::string> parts{"a", "word", "longerword", " ", " ", "\n", "日", "é", "e\u0301", "-"};
    for (int round = 0; round < 500; ++round) {
        const std::size_t columns = 4 + random() % 30;
        WordWrap wrap(columns);
        std::string text;
        std::string output;
        for (int i = 0; i < 60; ++i) {
            const std::string& part = parts[random() % parts.size()];
            text += part;
            output += wrap.feed(part);
        }
        std::string shown;
        for (const auto& line : screen_of(output)) {
            REQUIRE(text_width(line) < columns);
            shown += line;
        }
        std::erase_if(shown, [](char c) { return c == ' '; });
        std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
        REQUIRE(shown == text);
    }
}
