#include "jinja/unicode.h"

#include <locale.h>
#include <wctype.h>

#include <algorithm>
#include <cstring>

namespace weft::jinja {

namespace {

// The C library's tables for Unicode. Made once, never freed; absent (plain "C" rules) only on a system without C.UTF-8.
locale_t unicode_tables() {
    static const locale_t tables = [] {
        const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
        return utf8 ? utf8 : newlocale(LC_CTYPE_MASK, "C", nullptr);
    }();
    return tables;
}

char32_t upper_of(char32_t c) { return static_cast<char32_t>(towupper_l(static_cast<wint_t>(c), unicode_tables())); }
char32_t lower_of(char32_t c) { return static_cast<char32_t>(towlower_l(static_cast<wint_t>(c), unicode_tables())); }

void append_upper(std::string& out, char32_t c) {
    if (c == U'ß') out += "SS";
    else append_utf8(out, upper_of(c));
}

// Calls visit(character, its bytes) from left to right.
template <typename Visit>
void for_each_character(std::string_view text, Visit visit) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t start = at;
        const char32_t c = decode_utf8(text, at);
        visit(c, text.substr(start, at - start));
    }
}

std::size_t sequence_length(unsigned char lead) {
    if (lead < 0x80) return 1;
    if (lead >= 0xc2 && lead < 0xe0) return 2;
    if (lead >= 0xe0 && lead < 0xf0) return 3;
    if (lead >= 0xf0 && lead < 0xf5) return 4;
    return 0;
}

constexpr char32_t no_character = 0xffffffff;

// no_character when the bytes at `at` are not UTF-8; `at` then moves by one.
char32_t decode_strictly(std::string_view text, std::size_t& at) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t length = sequence_length(lead);
    if (length == 1) return ++at, lead;
    if (length == 0 || text.size() - at < length) return ++at, no_character;
    char32_t c = lead & (0x7fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
        const auto next = static_cast<unsigned char>(text[at + i]);
        if ((next & 0xc0) != 0x80) return ++at, no_character;
        c = c << 6 | (next & 0x3fu);
    }
    static constexpr char32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (c < smallest[length] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return ++at, no_character;
    at += length;
    return c;
}

}  // namespace

char32_t decode_utf8(std::string_view text, std::size_t& at) {
    const char32_t c = decode_strictly(text, at);
    return c == no_character ? U'\uFFFD' : c;
}

bool valid_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();)
        if (decode_strictly(text, at) == no_character) return false;
    return true;
}

void append_utf8(std::string& out, char32_t c) {
    const auto put = [&out](char32_t byte) { out += static_cast<char>(byte); };
    if (c < 0x80) return put(c);
    if (c < 0x800) return put(0xc0 | c >> 6), put(0x80 | (c & 0x3f));
    if (c < 0x10000) return put(0xe0 | c >> 12), put(0x80 | (c >> 6 & 0x3f)), put(0x80 | (c & 0x3f));
    put(0xf0 | c >> 18), put(0x80 | (c >> 12 & 0x3f)), put(0x80 | (c >> 6 & 0x3f)), put(0x80 | (c & 0x3f));
}

bool is_ascii(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::size_t count_characters(std::string_view text) {
    if (is_ascii(text)) return text.size();
    std::size_t count = 0;
    for_each_character(text, [&](char32_t, std::string_view) { ++count; });
    return count;
}

std::size_t offset_of_character(std::string_view text, std::size_t n) {
    std::size_t at = 0;
    for (; n > 0 && at < text.size(); --n) (void)decode_utf8(text, at);
    return at;
}

std::size_t find_text(std::string_view text, std::string_view part, std::size_t from) {
    if (from > text.size()) return std::string_view::npos;
    const void* found = memmem(text.data() + from, text.size() - from, part.data(), part.size());
    return found ? static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) : std::string_view::npos;
}

std::size_t rfind_text(std::string_view text, std::string_view part) {
    if (part.size() <= short_part_bytes) return text.rfind(part);
    const std::string backwards(text.rbegin(), text.rend()), part_backwards(part.rbegin(), part.rend());
    const std::size_t found = find_text(backwards, part_backwards);
    return found == std::string::npos ? found : text.size() - found - part.size();
}

bool is_space(char32_t c) {
    if (c < 0x80) return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20);
    return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

bool is_digit(char32_t c) { return c < 0x80 ? c >= '0' && c <= '9' : c == U'²' || c == U'³' || c == U'¹'; }
bool is_alpha(char32_t c) { return iswalpha_l(static_cast<wint_t>(c), unicode_tables()) && !is_digit(c); }
bool is_lower(char32_t c) { return c == U'ß' || iswlower_l(static_cast<wint_t>(c), unicode_tables()); }
bool is_upper(char32_t c) { return iswupper_l(static_cast<wint_t>(c), unicode_tables()); }

bool is_printable(char32_t c) {
    if (c < 0x7f) return c >= 0x20;
    return !is_space(c) && c != 0xad && iswprint_l(static_cast<wint_t>(c), unicode_tables());
}

std::string to_lower(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for_each_character(text, [&](char32_t c, std::string_view) { append_utf8(out, lower_of(c)); });
    return out;
}

std::string to_upper(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for_each_character(text, [&](char32_t c, std::string_view) { append_upper(out, c); });
    return out;
}

std::string to_swapped_case(std::string_view text) {
    std::string out;
    for_each_character(text, [&](char32_t c, std::string_view) {
        if (is_upper(c)) append_utf8(out, lower_of(c));
        else append_upper(out, c);
    });
    return out;
}

std::string to_capitalized(std::string_view text) {
    const std::size_t first = offset_of_character(text, 1);
    return to_upper(text.substr(0, first)) + to_lower(text.substr(first));
}

std::string to_title(std::string_view text) {
    std::string out;
    bool inside_word = false;
    for_each_character(text, [&](char32_t c, std::string_view) {
        if (inside_word) append_utf8(out, lower_of(c));
        else append_upper(out, c);
        inside_word = is_alpha(c);
    });
    return out;
}

}  // namespace weft::jinja
