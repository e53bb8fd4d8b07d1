#include "extract/split_text.h"

#include <catch2/catch_test_macros.hpp>
#include <random>
#include <string>

namespace weft {
namespace {

std::vector<std::string> split(std::string_view text, TextKind kind, PassageLimits limits) {
    std::vector<std::string> texts;
    for (const auto& passage : split_text(text, kind, limits).value()) {
        CHECK(text.substr(passage.start, passage.text.size()) == passage.text);
        CHECK(passage.text.size() <= limits.bytes);
        texts.emplace_back(passage.text);
    }
    return texts;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a short text is one passage, and a text of blanks is none") {
    CHECK(split("  The green book is in the kitchen.\n", TextKind::plain, {}) == Texts{"The green book is in the kitchen."});
    CHECK(split(" \n\n \t", TextKind::plain, {}).empty());
    CHECK(split("", TextKind::plain, {}).empty());
}

TEST_CASE("passages end with sentences and repeat whole ones") {
    CHECK(split("One two. Three four. Five six. Seven.", TextKind::plain, {.bytes = 24, .overlap = 12}) ==
          Texts{"One two. Three four.", "Three four. Five six.", "Five six. Seven."});
    CHECK(split("One two. Three four. Five six. Seven.", TextKind::plain, {.bytes = 24, .overlap = 0}) ==
          Texts{"One two. Three four.", "Five six. Seven."});
}

TEST_CASE("a passage ends with its paragraph unless that leaves it short") {
    CHECK(split("Aaaa aaaa aaaa.\n\nBbbb. Cccc.", TextKind::plain, {.bytes = 26, .overlap = 0}) == Texts{"Aaaa aaaa aaaa.", "Bbbb. Cccc."});
    CHECK(split("Aa.\n\nBbbb bbbb. Cccc cccc. Dd.", TextKind::plain, {.bytes = 20, .overlap = 0}) == Texts{"Aa.\n\nBbbb bbbb.", "Cccc cccc. Dd."});
}

TEST_CASE("a passage of Markdown does not go on beyond a heading, but for one in code") {
    CHECK(split("# One\nText.\n## Two\nMore.\n```\n# no heading\n```\n", TextKind::markdown, {}) ==
          Texts{"# One\nText.", "## Two\nMore.\n```\n# no heading\n```"});
    CHECK(split("# One\nText.\n## Two\nMore.", TextKind::plain, {}).size() == 1);
    CHECK(split("#hashtag\nText.", TextKind::markdown, {}).size() == 1);
}

TEST_CASE("what has no sentences is cut between words, what has no words between characters") {
    CHECK(split("aaaa bbbb cccc dddd", TextKind::plain, {.bytes = 10, .overlap = 0}) == Texts{"aaaa bbbb", "cccc dddd"});
    for (const auto& passage : split("\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587", TextKind::plain, {.bytes = 7, .overlap = 0})) CHECK(passage.size() % 3 == 0);
    CHECK(split("\u4e2d\u6587\u3002\u4e2d\u6587\u3002", TextKind::plain, {.bytes = 10, .overlap = 0}).size() == 2);
}

TEST_CASE("every character but blanks is in some passage, whatever the text") {
    std::mt19937 random(7);
    const std::string letters = "ab.!? \n\n#\xc3\xa9";
    for (int round = 0; round < 300; ++round) {
        std::string text;
        for (int i = 0; i < 200; ++i) text += letters.substr(random() % 10, random() % 10 == 9 ? 2 : 1);
        for (const auto kind : {TextKind::plain, TextKind::markdown}) {
            const PassageLimits limits{.bytes = 20 + random() % 50, .overlap = random() % 10};
            std::vector<bool> covered(text.size());
            const auto passages = split_text(text, kind, limits).value();
            for (const auto& passage : passages) {
                CHECK(passage.text.size() <= limits.bytes);
                std::fill_n(covered.begin() + static_cast<std::ptrdiff_t>(passage.start), passage.text.size(), true);
            }
            for (std::size_t i = 0; i < text.size(); ++i)
                if (text[i] != ' ' && text[i] != '\n') CHECK(covered[i]);
            CHECK(passages.size() < 200);
        }
    }
}

TEST_CASE("a text of too many passages is refused, and long ones take no longer than they are long") {
    CHECK(split_text("A. B. C. D.", TextKind::plain, {.bytes = 4, .overlap = 0, .most = 2}).error().code == ErrorCode::too_large);
    for (const auto* part : {" ", "\n", ".", "a", "#\n", "a. ", "\n\n"}) {
        std::string text;
        while (text.size() < 4'000'000) text += part;
        (void)split_text(text, TextKind::markdown, {.most = 100'000});
    }
}

}  // namespace weft
