#pragma once

#include <algorithm>
#include <cstddef>
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

}  // namespace weft
