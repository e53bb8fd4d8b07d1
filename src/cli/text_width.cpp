#include "cli/text_width.h"

#include <langinfo.h>
#include <locale.h>
#include <wchar.h>

#include <algorithm>

namespace weft::cli {
namespace {

std::size_t length_from_first_byte(unsigned char first) {
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first < 0xe0) return 2;
    if (first >= 0xe0 && first < 0xf0) return 3;
    if (first >= 0xf0 && first < 0xf5) return 4;
    return 0;
}

bool is_overlong_or_surrogate(char32_t value, std::size_t bytes) {
    return (bytes == 3 && value < 0x800) || (bytes == 4 && (value < 0x10000 || value > 0x10ffff)) ||
           (value >= 0xd800 && value < 0xe000);
}

// The C library knows Unicode's widths, whatever locale the user has set.
locale_t utf8_locale() {
    static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    return locale;
}

}  // namespace

CodePoint first_code_point(std::string_view text) {
    constexpr CodePoint wrong{0xfffd, 1};
    const auto first = static_cast<unsigned char>(text[0]);
    const std::size_t length = length_from_first_byte(first);
    if (length == 0) return wrong;
    if (length == 1) return {first, 1};
    char32_t value = first & (0x7fU >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if (i == text.size()) return {0xfffd, 0};
        const auto next = static_cast<unsigned char>(text[i]);
        if ((next & 0xc0U) != 0x80) return wrong;
        value = value << 6U | (next & 0x3fU);
    }
    if (is_overlong_or_surrogate(value, length)) return wrong;
    return {value, length};
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const CodePoint next = first_code_point(text);
        const bool really_fffd = text.starts_with("\xef\xbf\xbd");
        if (next.bytes == 0 || (next.value == 0xfffd && !really_fffd)) return false;
        text.remove_prefix(next.bytes);
    }
    return true;
}

int width_of(char32_t code_point) {
    if (code_point >= 0x20 && code_point < 0x7f) return 1;
    const locale_t locale = utf8_locale();
    if (locale == nullptr) return 1;
    const locale_t before = uselocale(locale);
    const int width = wcwidth(static_cast<wchar_t>(code_point));
    uselocale(before);
    return std::max(width, 0);
}

std::size_t text_width(std::string_view text) {
    std::size_t width = 0;
    while (!text.empty()) {
        const CodePoint next = first_code_point(text);
        width += static_cast<std::size_t>(width_of(next.value));
        text.remove_prefix(next.bytes == 0 ? text.size() : next.bytes);
    }
    return width;
}

std::string without_controls(std::string_view text) {
    std::string kept;
    kept.reserve(text.size());
    while (!text.empty()) {
        const CodePoint next = first_code_point(text);
        const std::size_t bytes = next.bytes == 0 ? text.size() : next.bytes;
        const bool control = next.value < 0x20 || (next.value >= 0x7f && next.value < 0xa0);
        if (!control || next.value == '\n' || next.value == '\t') kept += text.substr(0, bytes);
        text.remove_prefix(bytes);
    }
    return kept;
}

}  // namespace weft::cli
