#include "engine/sampling/utf8.h"

#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>

#include "engine/sampling/random.h"

namespace weft {
namespace {

std::string whole(std::string_view bytes) {
    Utf8Assembler assembler;
    std::string out = assembler.feed(bytes);
    return out + assembler.finish();
}

TEST_CASE("text split at every byte comes out the same, each piece whole") {
    const std::string text = std::string("aé€😀 ß漢字") + '\0' + "\U0010FFFFz\uD7FF\uE000";
    for (std::size_t first = 0; first <= text.size(); ++first)
        for (std::size_t second = first; second <= text.size(); ++second) {
            Utf8Assembler assembler;
            std::string out;
            for (const auto& piece : {text.substr(0, first), text.substr(first, second - first), text.substr(second)}) {
                const auto ready = assembler.feed(piece);
                REQUIRE(is_whole_utf8(ready));
                REQUIRE(assembler.held_back() <= 3);
                out += ready;
            }
            REQUIRE(out == text);
            REQUIRE(assembler.finish().empty());
        }
}

TEST_CASE("invalid bytes are replaced per maximal subpart, as the Unicode Standard's own examples say") {
    // The Unicode Standard 15, tables 3-8 to 3-11.
    CHECK(whole("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41") == "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA");
    CHECK(whole("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41") == "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA");
    CHECK(whole("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42") == "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA\uFFFD\uFFFDB");
    CHECK(whole("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41") == "\uFFFD\uFFFD\uFFFD\uFFFDA");
}

TEST_CASE("a character that never ends becomes one replacement at the end") {
    CHECK(whole("a\xF0\x9F\x98") == "a\uFFFD");
    CHECK(whole("\xC3") == "\uFFFD");
    Utf8Assembler assembler;
    CHECK(assembler.feed("\xE2\x82").empty());
    CHECK(assembler.finish() == "\uFFFD");
    CHECK(assembler.feed("\xAC") == "\uFFFD");  // nothing of the old text is left
}

TEST_CASE("random bytes in random pieces always give whole UTF-8, the same as in one piece") {
    Random random(31);
    for (int round = 0; round < 3000; ++round) {
        std::string bytes;
        constexpr std::string_view likely = "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xED\xF4\x80z";
        for (std::uint64_t n = random.next() % 24; n > 0; --n)
            bytes.push_back(random.uniform() < 0.3 ? static_cast<char>(random.next()) : likely[random.next() % likely.size()]);
        Utf8Assembler assembler;
        std::string out;
        for (std::size_t at = 0; at < bytes.size();) {
            const std::size_t length = 1 + random.next() % 4;
            const auto ready = assembler.feed(std::string_view(bytes).substr(at, length));
            REQUIRE(is_whole_utf8(ready));
            out += ready;
            at += length;
        }
        out += assembler.finish();
        REQUIRE(out == whole(bytes));
        REQUIRE(is_whole_utf8(bytes) == (out == bytes));
    }
}

TEST_CASE("whole UTF-8 is told from broken and from unfinished text") {
    CHECK(is_whole_utf8(""));
    CHECK(is_whole_utf8("plain, é, 😀"));
    CHECK_FALSE(is_whole_utf8("\xC3"));
    CHECK_FALSE(is_whole_utf8("\xC0\x80"));
    CHECK_FALSE(is_whole_utf8("\xED\xA0\x80"));
    CHECK_FALSE(is_whole_utf8("\xF4\x90\x80\x80"));
    CHECK_FALSE(is_whole_utf8("a\x80"));
}

}  // namespace
}  // namespace weft
