#include "api/json_text.h"

#include <catch2/catch_test_macros.hpp>

#include "api/json_reader.h"

using namespace weft::api;

namespace {

std::string as_json(std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
}

}  // namespace

TEST_CASE("plain text and whole characters pass as they are") {
    CHECK(as_json("") == R"("")");
    CHECK(as_json("a/b é 漢 😀 \x7f") == "\"a/b é 漢 😀 \x7f\"");
}

TEST_CASE("quotes, backslashes and every control character are escaped") {
    CHECK(as_json("\"\\\b\f\n\r\t") == R"("\"\\\b\f\n\r\t")");
    CHECK(as_json(std::string_view("\0\x1f", 2)) == R"("\u0000\u001f")");
}

TEST_CASE("every string that is written parses back to itself") {
    std::string text;
    for (int c = 0; c < 128; ++c) text += static_cast<char>(c);
    text += "é漢😀";
    const auto parsed = parse_json(as_json(text));
    REQUIRE(parsed.has_value());
    CHECK(parsed->get<std::string>() == text);
}

TEST_CASE("bytes that are no UTF-8 become replacement characters") {
    const std::string r = "\xEF\xBF\xBD";
    CHECK(valid_utf8("a\xFF"
                     "b") == "a" + r + "b");
    CHECK(valid_utf8("\xC3") == r);      // cut short
    CHECK(valid_utf8("\xE6\xBC") == r);  // one for the maximal part
    CHECK(valid_utf8("\xE6\xBCx") == r + "x");
    CHECK(valid_utf8("\xC0\xAF") == r + r);                  // overlong
    CHECK(valid_utf8("\xED\xA0\x80") == r + r + r);          // a surrogate
    CHECK(valid_utf8("\xF4\x90\x80\x80") == r + r + r + r);  // beyond U+10FFFF
    CHECK(valid_utf8("\xF0\x9F\x98\x80") == "😀");
    CHECK(valid_utf8("\x80") == r);
}
