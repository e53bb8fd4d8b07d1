#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft {

inline constexpr std::size_t max_word_bytes = 64;  // longer words are cut

// The words of a UTF-8 text, in its order, separated by blanks: letters and digits, in lower case for Latin, Greek and
// Cyrillic letters. Characters of scripts without blanks between words (Han, kana, Hangul) are one word each.
[[nodiscard]] std::string search_words(std::string_view text);

// The distinct ones of search_words(), at most that many.
[[nodiscard]] std::vector<std::string> distinct_words(std::string_view words, std::size_t limit);

}  // namespace weft
