#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace weft::cli {

struct CodePoint {
    char32_t value;      // U+FFFD for a byte that is not UTF-8
    std::size_t bytes;   // at least one; 0 when the text ends inside of the code point
};

// The first code point of a text that is not empty.
[[nodiscard]] CodePoint first_code_point(std::string_view text);

[[nodiscard]] bool is_utf8(std::string_view text);

// Columns on a terminal: 2 for CJK and most emoji, 0 for combining marks and control characters.
[[nodiscard]] int width_of(char32_t code_point);
[[nodiscard]] std::size_t text_width(std::string_view text);

// Without control characters other than line end and tab, so that a model's answer cannot command the terminal (move the
// cursor, set its title, answer back). Cuts nothing else.
[[nodiscard]] std::string without_controls(std::string_view text);

}  // namespace weft::cli
