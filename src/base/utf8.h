#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

// Where characters begin in text that is UTF-8; of other text, where they could.
namespace weft {

[[nodiscard]] constexpr bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

[[nodiscard]] constexpr std::size_t code_points(std::string_view text) {
    return text.size() - static_cast<std::size_t>(std::ranges::count_if(text, continues_character));
}

// The last place from `least` to `at` where the text can be cut; `least` when there is none.
[[nodiscard]] constexpr std::size_t cut_before_character(std::string_view text, std::size_t at, std::size_t least = 0) {
    while (at > least && at < text.size() && continues_character(text[at])) --at;
    return at;
}

inline void append_utf8(std::string& out, char32_t c) {
    const auto byte = [&out](char32_t value) { out += static_cast<char>(static_cast<unsigned char>(value)); };
    if (c < 0x80) return byte(c);
    if (c < 0x800) {
        byte(0xC0U | (c >> 6U));
    } else if (c < 0x10000) {
        byte(0xE0U | (c >> 12U));
        byte(0x80U | ((c >> 6U) & 0x3FU));
    } else {
        byte(0xF0U | (c >> 18U));
        byte(0x80U | ((c >> 12U) & 0x3FU));
        byte(0x80U | ((c >> 6U) & 0x3FU));
    }
    byte(0x80U | (c & 0x3FU));
}

}  // namespace weft
