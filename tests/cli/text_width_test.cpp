#include "cli/text_width.h"

#include <catch2/catch_test_macros.hpp>

using namespace weft::cli;

TEST_CASE("width counts columns, not bytes") {
    CHECK(text_width("abc") == 3);
    CHECK(text_width("äöü") == 3);
    CHECK(text_width("日本語") == 6);
    CHECK(text_width("👍") == 2);
    CHECK(text_width("e\u0301") == 1);
    CHECK(text_width("") == 0);
}

TEST_CASE("only whole and shortest UTF-8 is UTF-8") {
    CHECK(is_utf8("ä日👍\xef\xbf\xbd"));
    for (const char* text : {"\x80", "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "a\xe6\x97"})
        CHECK_FALSE(is_utf8(text));
}

TEST_CASE("an answer cannot command the terminal") {
    CHECK(without_controls("a\x1b[31mb") == "a[31mb");
    CHECK(without_controls("a\x1b]0;title\x07" "b") == "a]0;titleb");
    CHECK(without_controls("one\r\ntwo\tthree\x7f") == "one\ntwo\tthree");
    CHECK(without_controls("a\xc2\x9b" "31mb") == "a31mb");
    CHECK(without_controls("日本 👍 é") == "日本 👍 é");
}
