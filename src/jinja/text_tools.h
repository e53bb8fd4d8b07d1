#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::jinja {

enum class Side : std::uint8_t { left, right, both };

// Takes characters off the ends: those in chars, or whitespace.
[[nodiscard]] std::string_view strip(std::string_view text, std::optional<std::string_view> chars, Side side);

// At most limit replacements, all when negative. An empty old matches before every character and at the end.
[[nodiscard]] std::string replace_all(std::string_view text, std::string_view old, std::string_view with, std::int64_t limit);

// At most limit splits, all when negative; from the right end when asked.
[[nodiscard]] std::vector<std::string_view> split_at(std::string_view text, std::string_view separator, std::int64_t limit,
                                                     bool from_right);
// At runs of whitespace, none of it kept.
[[nodiscard]] std::vector<std::string_view> split_words(std::string_view text, std::int64_t limit, bool from_right);
// At \n, \r, \r\n and the rarer line ends that Python knows.
[[nodiscard]] std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends = false);

[[nodiscard]] std::int64_t count_text(std::string_view text, std::string_view part);

// The first number characters wide text at least; fill is one character.
[[nodiscard]] std::string padded(std::string_view text, std::int64_t width, std::string_view fill, Side text_side);

}  // namespace weft::jinja
