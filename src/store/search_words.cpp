#include "store/search_words.h"

#include <algorithm>
#include <cstdint>
#include <unordered_set>

#include "base/utf8.h"

namespace weft {
namespace {

struct WordRange {
    char32_t first;
    char32_t last;
};

// Beyond ASCII: punctuation, symbols, blanks and what is not shown.
constexpr WordRange separators[] = {{0x80, 0xA9},     {0xAB, 0xB4},     {0xB6, 0xB9},     {0xBB, 0xBF},     {0xD7, 0xD7},     {0xF7, 0xF7},
                                    {0x2000, 0x206F}, {0x20A0, 0x20CF}, {0x2190, 0x2BFF}, {0x2E00, 0x2E7F}, {0x3000, 0x3004}, {0x3008, 0x3020},
                                    {0x3030, 0x3030}, {0xE000, 0xF8FF}, {0xFE00, 0xFE6F}, {0xFEFF, 0xFEFF}, {0xFF00, 0xFF0F}, {0xFF1A, 0xFF20},
                                    {0xFF3B, 0xFF40}, {0xFF5B, 0xFF65}, {0xFFE0, 0xFFFF}, {0x1F000, 0x1FAFF}};
// Scripts that put no blanks between words.
constexpr WordRange single[] = {{0x3040, 0x30FF}, {0x3400, 0x4DBF}, {0x4E00, 0x9FFF}, {0xAC00, 0xD7AF}, {0xF900, 0xFAFF}, {0x20000, 0x3FFFF}};

bool in_any(char32_t c, const auto& ranges) {
    return std::ranges::any_of(ranges, [c](const WordRange& range) { return c >= range.first && c <= range.last; });
}

// Lower case where upper and lower letters stand in rows or alternate. Deliberately a few scripts rather than a table of all.
char32_t folded(char32_t c) {
    if (c >= U'A' && c <= U'Z') return c + 32;
    if (c < 0xC0) return c;
    if (c <= 0xDE && c != 0xD7) return c + 32;
    if ((c >= 0x100 && c <= 0x137) || (c >= 0x14A && c <= 0x177) || (c >= 0x460 && c <= 0x481) || (c >= 0x48A && c <= 0x4BF)) return c | 1U;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E)) return c % 2 == 1 ? c + 1 : c;
    if (c >= 0x391 && c <= 0x3A9) return c + 32;
    if (c >= 0x410 && c <= 0x42F) return c + 32;
    if (c >= 0x400 && c <= 0x40F) return c + 80;
    return c;
}

bool is_separator(char32_t c) {
    if (c >= 0x80) return in_any(c, separators);
    return !((c >= U'0' && c <= U'9') || (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z'));
}

// The character at `at`, which moves on; bytes that are no UTF-8 separate words.
char32_t next_character(std::string_view text, std::size_t& at) {
    const auto byte = [&text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned lead = byte(at++);
    if (lead < 0x80) return lead;
    const std::size_t more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (more == 0 || at + more > text.size()) return U' ';
    char32_t c = lead & (0x3FU >> more);
    for (std::size_t i = 0; i < more; ++i) {
        if ((byte(at + i) & 0xC0U) != 0x80) return U' ';
        c = (c << 6U) | (byte(at + i) & 0x3FU);
    }
    at += more;
    return c;
}

}  // namespace

std::string search_words(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    std::size_t word = 0;  // where the last one begins
    bool inside = false;
    for (std::size_t at = 0; at < text.size();) {
        const char32_t c = folded(next_character(text, at));
        const bool alone = c >= 0x3040 && in_any(c, single);
        if (is_separator(c)) {
            inside = false;
            continue;
        }
        if (!inside || alone) {
            if (!out.empty()) out += ' ';
            word = out.size();
        }
        inside = !alone;
        const auto before = out.size();
        append_utf8(out, c);
        if (out.size() - word > max_word_bytes) out.resize(before);
    }
    return out;
}

std::vector<std::string> distinct_words(std::string_view words, std::size_t limit) {
    std::vector<std::string> found;
    std::unordered_set<std::string_view> seen;
    while (!words.empty() && found.size() < limit) {
        const auto end = std::min(words.find(' '), words.size());
        const auto word = words.substr(0, end);
        if (!word.empty() && seen.insert(word).second) found.emplace_back(word);
        words.remove_prefix(std::min(end + 1, words.size()));
    }
    return found;
}

}  // namespace weft
