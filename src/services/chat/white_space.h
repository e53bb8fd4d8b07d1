#pragma once

#include <string_view>

// White space as JSON has it.
namespace weft {

inline constexpr std::string_view white_space = " \t\r\n";

[[nodiscard]] constexpr bool is_space(char c) { return white_space.contains(c); }

[[nodiscard]] constexpr std::string_view trimmed(std::string_view text) {
    const auto begin = text.find_first_not_of(white_space);
    if (begin == text.npos) return {};
    return text.substr(begin, text.find_last_not_of(white_space) - begin + 1);
}

}  // namespace weft
