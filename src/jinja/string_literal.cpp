#include "jinja/string_literal.h"

#include <algorithm>
#include <charconv>

#include "jinja/unicode.h"

namespace weft::jinja {

namespace {

struct Escape {
    std::size_t digits;
    int base;
};

// \xHH, \uHHHH, \UHHHHHHHH, \OOO.
Outcome<std::size_t> append_code(std::string& out, std::string_view digits, Escape escape) {
    unsigned long code = 0;
    const auto piece = digits.substr(0, escape.digits);
    const auto [end, error] = std::from_chars(piece.data(), piece.data() + piece.size(), code, escape.base);
    const auto length = static_cast<std::size_t>(end - piece.data());
    if (error != std::errc{} || (escape.base == 16 && length != escape.digits) || code > 0x10ffff)
        return raise("a malformed escape in a string");
    append_utf8(out, code >= 0xd800 && code < 0xe000 ? U'\uFFFD' : static_cast<char32_t>(code));
    return length;
}

// The end of digits that start at `at`, where single underscores may stand between two of them.
template <typename IsDigit>
std::size_t end_of_digits(std::string_view text, std::size_t at, IsDigit is_digit_of_base) {
    while (at < text.size()) {
        if (is_digit_of_base(text[at])) ++at;
        else if (text[at] == '_' && at + 1 < text.size() && is_digit_of_base(text[at + 1])) at += 2;
        else break;
    }
    return at;
}

std::string without_underscores(std::string_view digits) {
    std::string plain(digits);
    std::erase(plain, '_');
    return plain;
}

int base_of_prefix(std::string_view text) {
    if (text.size() < 3 || text[0] != '0') return 10;
    switch (text[1] | 0x20) {
        case 'x': return 16;
        case 'o': return 8;
        case 'b': return 2;
        default: return 10;
    }
}

Value integer_of(std::string_view digits, int base) {
    const std::string plain = without_underscores(digits);
    std::int64_t value = 0;
    const auto error = std::from_chars(plain.data(), plain.data() + plain.size(), value, base).ec;
    return error == std::errc{} ? Value::integer(value) : Value();
}

Value real_of(std::string_view digits) {
    const std::string plain = without_underscores(digits);
    double value = 0;
    const auto error = std::from_chars(plain.data(), plain.data() + plain.size(), value).ec;
    return error == std::errc{} ? Value::real(value) : Value();
}

std::size_t end_of_fraction(std::string_view text, std::size_t end) {
    if (end + 1 < text.size() && text[end] == '.' && is_decimal(text[end + 1]))
        return end_of_digits(text, end + 1, is_decimal);
    return end;
}

std::size_t end_of_exponent(std::string_view text, std::size_t end) {
    if (end >= text.size() || (text[end] | 0x20) != 'e') return end;
    std::size_t digits = end + 1;
    if (digits < text.size() && (text[digits] == '+' || text[digits] == '-')) ++digits;
    return digits < text.size() && is_decimal(text[digits]) ? end_of_digits(text, digits, is_decimal) : end;
}

}  // namespace

Outcome<std::string> unescape_string_literal(std::string_view literal) {
    std::string out;
    out.reserve(literal.size());
    static constexpr std::string_view names = "abfnrtv\\'\"", meanings = "\a\b\f\n\r\t\v\\'\"";
    for (std::size_t i = 0; i < literal.size(); ++i) {
        if (literal[i] != '\\' || i + 1 == literal.size()) {
            out += literal[i];
            continue;
        }
        const char c = literal[++i];
        if (c == '\n') continue;
        if (const auto simple = names.find(c); simple != names.npos) {
            out += meanings[simple];
        } else if (c == 'x' || c == 'u' || c == 'U') {
            const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
            WEFT_TRY(const std::size_t length, append_code(out, literal.substr(i + 1), {digits, 16}));
            i += length;
        } else if (c >= '0' && c <= '7') {
            WEFT_TRY(const std::size_t length, append_code(out, literal.substr(i), {3, 8}));
            i += length - 1;
        } else if (c == 'N') {
            return raise("character names in strings are not supported");
        } else {
            out += '\\';  // not an escape: Python keeps both characters
            out += c;
        }
    }
    return out;
}

NumberLiteral scan_number_literal(std::string_view text, char previous) {
    if (const int base = base_of_prefix(text); base != 10) {
        const auto in_base = [base](char c) {
            const int digit = is_decimal(c) ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : 99;
            return digit < base;
        };
        const std::size_t end = end_of_digits(text, 2, in_base);
        if (end > 2) return {integer_of(text.substr(2, end - 2), base), end};
    }
    const std::size_t whole = end_of_digits(text, 0, is_decimal);
    const std::size_t end = previous == '.' ? whole : end_of_exponent(text, end_of_fraction(text, whole));
    if (end > whole) return {real_of(text.substr(0, end)), end};
    return {integer_of(text.substr(0, whole), 10), whole};
}

}  // namespace weft::jinja
