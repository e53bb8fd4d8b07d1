#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace weft::jinja {

// Text is UTF-8 in memory and a row of code points to a template, as in Python. Bytes that are not UTF-8 count as one
// character each (U+FFFD) and are copied as they are.

// The character that starts at `at`, which moves behind it. at < text.size().
[[nodiscard]] char32_t decode_utf8(std::string_view text, std::size_t& at);
void append_utf8(std::string& out, char32_t character);
[[nodiscard]] bool valid_utf8(std::string_view text);
[[nodiscard]] bool is_ascii(std::string_view text);

[[nodiscard]] std::size_t count_characters(std::string_view text);
// Where the n-th character starts; text.size() when there are not so many.
[[nodiscard]] std::size_t offset_of_character(std::string_view text, std::size_t n);

// Like text.find(part, from), but in linear time whatever the two hold.
[[nodiscard]] std::size_t find_text(std::string_view text, std::string_view part, std::size_t from = 0);
// Like text.rfind(part), the same way. A part longer than this many bytes costs a copy of the text.
inline constexpr std::size_t short_part_bytes = 16;
[[nodiscard]] std::size_t rfind_text(std::string_view text, std::string_view part);

[[nodiscard]] bool is_space(char32_t c);
[[nodiscard]] bool is_alpha(char32_t c);
[[nodiscard]] bool is_digit(char32_t c);
[[nodiscard]] bool is_lower(char32_t c);
[[nodiscard]] bool is_upper(char32_t c);
[[nodiscard]] bool is_printable(char32_t c);

[[nodiscard]] std::string to_lower(std::string_view text);
[[nodiscard]] std::string to_upper(std::string_view text);
[[nodiscard]] std::string to_swapped_case(std::string_view text);
// First character upper case, the rest lower case.
[[nodiscard]] std::string to_capitalized(std::string_view text);
// Every letter that follows a non-letter upper case, the rest lower case.
[[nodiscard]] std::string to_title(std::string_view text);

}  // namespace weft::jinja
