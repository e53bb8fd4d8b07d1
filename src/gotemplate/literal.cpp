#include "gotemplate/literal.h"

#include <charconv>

#include "base/utf8.h"

namespace weft::gotemplate {
namespace {

using Fault = std::unexpected<std::string>;

constexpr char32_t replacement = 0xFFFD;

struct Escape {
    std::string bytes;
    char32_t code_point;
    std::size_t length;
};

std::expected<Escape, std::string> numbered(std::string_view digits, int base, std::size_t length, bool is_byte) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (error != std::errc{} || end != digits.data() + digits.size()) return Fault("malformed escape");
    if (is_byte) return value > 0xFF ? std::expected<Escape, std::string>(Fault("malformed escape"))
                                     : Escape{std::string(1, static_cast<char>(value)), value, length};
    if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return Fault("malformed escape");
    std::string bytes;
    append_utf8(bytes, value);
    return Escape{std::move(bytes), value, length};
}

// `source` begins behind the backslash.
std::expected<Escape, std::string> read_escape(std::string_view source) {
    constexpr std::string_view letters = "abfnrtv\\'\"";
    constexpr std::string_view meanings = "\a\b\f\n\r\t\v\\'\"";
    if (source.empty()) return Fault("unterminated quoted text");
    const char c = source.front();
    if (const auto at = letters.find(c); at != std::string_view::npos)
        return Escape{std::string(1, meanings[at]), static_cast<char32_t>(meanings[at]), 1};
    const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits > 0 && source.size() > digits) return numbered(source.substr(1, digits), 16, 1 + digits, c == 'x');
    if (c >= '0' && c <= '7' && source.size() >= 3) return numbered(source.substr(0, 3), 8, 3, true);
    return Fault("malformed escape");
}

std::size_t sequence_length(char first) {
    const auto byte = static_cast<unsigned char>(first);
    return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

char32_t decode(std::string_view bytes) {
    const auto first = static_cast<unsigned char>(bytes.front());
    if (bytes.size() == 1) return first;
    char32_t value = first & (0x7FU >> bytes.size());
    for (const char c : bytes.substr(1)) value = (value << 6U) | (static_cast<unsigned char>(c) & 0x3FU);
    return value;
}

std::expected<Literal, std::string> read_character(std::string_view source) {
    if (source.size() < 3) return Fault("unterminated character constant");
    Literal literal;
    literal.is_character = true;
    std::size_t at = 1;
    if (source[at] == '\\') {
        const auto escape = read_escape(source.substr(2));
        if (!escape) return Fault(escape.error());
        literal.character = escape->code_point;
        at += 1 + escape->length;
    } else {
        const auto n = sequence_length(source[at]);
        literal.character = source.size() > at + n ? decode(source.substr(at, n)) : replacement;
        at += n;
    }
    if (at >= source.size() || source[at] != '\'') return Fault("unterminated character constant");
    literal.length = at + 1;
    return literal;
}

}  // namespace

std::expected<Literal, std::string> read_literal(std::string_view source) {
    if (source.front() == '\'') return read_character(source);
    if (source.front() == '`') {
        const auto end = source.find('`', 1);
        if (end == std::string_view::npos) return Fault("unterminated raw quoted text");
        Literal literal{.text = std::string(source.substr(1, end - 1)), .length = end + 1};
        std::erase(literal.text, '\r');  // as Go's raw literals
        return literal;
    }
    Literal literal;
    for (std::size_t at = 1; at < source.size();) {
        if (source[at] == '"') {
            literal.length = at + 1;
            return literal;
        }
        if (source[at] == '\n') break;
        if (source[at] != '\\') {
            literal.text += source[at++];
            continue;
        }
        const auto escape = read_escape(source.substr(at + 1));
        if (!escape) return Fault(escape.error());
        literal.text += escape->bytes;
        at += 1 + escape->length;
    }
    return Fault("unterminated quoted text");
}

std::expected<Number, std::string> read_number(std::string_view source) {
    std::string digits;
    std::size_t at = source.front() == '+' || source.front() == '-' ? 1 : 0;
    const bool negative = source.front() == '-';
    int base = 10;
    bool real = false;
    if (source.size() > at + 1 && source[at] == '0') {
        const char mark = static_cast<char>(source[at + 1] | 0x20);
        base = mark == 'x' ? 16 : mark == 'b' ? 2 : mark == 'o' ? 8 : 10;
        if (base != 10) at += 2;
    }
    for (; at < source.size(); ++at) {
        const char c = source[at];
        const char low = static_cast<char>(c | 0x20);
        if (c == '_') continue;
        const bool sign = base == 10 && (c == '+' || c == '-') && !digits.empty() && digits.back() == 'e';
        if (base == 10 && (c == '.' || low == 'e' || sign)) real = true;
        else if (!((c >= '0' && c <= '9') || (low >= 'a' && low <= 'z'))) break;
        digits += low >= 'a' && low <= 'z' ? low : c;
    }
    Number number{.is_integer = !real, .length = at};
    if (negative) digits.insert(digits.begin(), '-');
    const char* const last = digits.data() + digits.size();
    const auto result = real ? std::from_chars(digits.data(), last, number.real)
                             : std::from_chars(digits.data(), last, number.integer, base);
    if (result.ec != std::errc{} || result.ptr != last) return Fault("bad number syntax");
    if (!real) number.real = static_cast<double>(number.integer);
    return number;
}

}  // namespace weft::gotemplate
