#include "extract/html_text.h"

#include <catch2/catch_test_macros.hpp>

namespace weft {
namespace {

std::string text_of(std::string_view html) { return html_text(html, true, {}).value().text; }

std::string repeated(std::string_view part, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += part;
    return out;
}

}  // namespace

TEST_CASE("the text of a page is what a reader sees") {
    const auto page = html_text("<html><head><title>The house</title><style>p { color: red }</style></head><body><h1>Rooms</h1><p>The  green\nbook is <b>in</b> the kitchen."
                                "<script>alert('no')</script></p><p>Ana lives in Oslo.</p><ul><li>one<li>two</ul></body></html>", true, {});
    REQUIRE(page);
    CHECK(page->title == "The house");
    CHECK(page->text == "# Rooms\n\nThe green book is in the kitchen.\n\nAna lives in Oslo.\n\n- one\n- two\n\n");
}

TEST_CASE("lines and columns stay apart, and <pre> keeps its blanks") {
    CHECK(text_of("a<br>b").starts_with("a\nb\n"));
    CHECK(text_of("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>").starts_with("a b\nc"));
    CHECK(text_of("<pre>a  b\n  c</pre>").starts_with("a  b\n  c"));
}

TEST_CASE("characters are written as entities or not, and files are never read for them") {
    CHECK(text_of("<p>caf&eacute; &lt;b&gt; &#x4e2d; \xc3\xa9</p>").starts_with("caf\xc3\xa9 <b> \xe4\xb8\xad \xc3\xa9"));
    const auto text = text_of("<!DOCTYPE html [<!ENTITY x SYSTEM \"file:///etc/passwd\"><!ENTITY y \"yyyy\">]><p>&x;&y;</p>");
    CHECK_FALSE(text.contains("root:"));
    CHECK_FALSE(text.contains("yyyyy"));
}

TEST_CASE("a page that says its own encoding is read as that, unless it is known to be UTF-8") {
    const std::string page = "<html><head><meta charset=\"iso-8859-1\"></head><body><p>caf\xe9</p></body></html>";
    CHECK(html_text(page, false, {})->text.starts_with("caf\xc3\xa9"));
}

TEST_CASE("hostile pages end in an error or in text, soon") {
    constexpr auto patient = std::chrono::minutes{5};  // machines are shared, and sanitizers slow
    CHECK(html_text(repeated("<div>", 2'000'000), true, {}).error().code == ErrorCode::invalid_request);
    CHECK(html_text(repeated("<b>", 500'000) + repeated("</i>", 500'000), true, {}).error().code == ErrorCode::invalid_request);
    CHECK(html_text(repeated("word ", 1000), true, {.output_bytes = 1000}).error().code == ErrorCode::too_large);
    CHECK(html_text("<!--" + repeated("-", 1'000'000), true, {.time = patient}));
    CHECK(html_text("<a href=\"" + repeated("x", 1'000'000), true, {.time = patient}));
    CHECK(html_text(repeated("<p>x</i>", 100'000), true, {.time = patient}));
    CHECK(html_text(std::string("\0<\0p\xff>", 7), true, {}));
    CHECK(html_text("", true, {})->text.empty());
}

}  // namespace weft
