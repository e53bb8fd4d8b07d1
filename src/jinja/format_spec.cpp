#include "jinja/format_spec.h"

#include <cmath>

#include "base/formatted.h"
#include "jinja/python_text.h"
#include "jinja/text_tools.h"
#include "jinja/unicode.h"

namespace weft::jinja {

namespace {

bool is_align(char c) { return c == '<' || c == '>' || c == '^' || c == '='; }

std::string grouped(std::string digits, char separator) {
    const std::size_t end = std::min(digits.find_first_not_of("0123456789"), digits.size());
    for (std::size_t at = end; separator && at > 3;) digits.insert(at -= 3, 1, separator);
    return digits;
}

Outcome<std::string> digits_of_integer(const FormatSpec& spec, std::uint64_t magnitude) {
    const char* prefix = "";
    std::string digits;
    switch (spec.type) {
        case 'x': digits = formatted("{:x}", magnitude), prefix = "0x"; break;
        case 'X': digits = formatted("{:X}", magnitude), prefix = "0X"; break;
        case 'o': digits = formatted("{:o}", magnitude), prefix = "0o"; break;
        case 'b': digits = formatted("{:b}", magnitude), prefix = "0b"; break;
        case 'c':
            if (magnitude > 0x10ffff) return raise("%c arg not in range(0x110000)");
            append_utf8(digits, static_cast<char32_t>(magnitude));
            return digits;
        default: digits = std::to_string(magnitude);
    }
    return (spec.alternate ? prefix : "") + grouped(std::move(digits), spec.grouping);
}

std::string digits_of_real(const FormatSpec& spec, double magnitude) {
    const int precision = spec.precision < 0 ? 6 : spec.precision;
    switch (spec.type) {
        case 'e': return formatted("{:.{}e}", magnitude, precision);
        case 'E': return formatted("{:.{}E}", magnitude, precision);
        case 'g': return formatted("{:.{}g}", magnitude, precision);
        case 'G': return formatted("{:.{}G}", magnitude, precision);
        case '%': return grouped(formatted("{:.{}f}", magnitude * 100, precision), spec.grouping) + "%";
        case '\0': return spec.precision < 0 ? grouped(real_repr(magnitude), spec.grouping) : formatted("{:.{}g}", magnitude, precision);
        default: return grouped(formatted("{:.{}f}", magnitude, precision), spec.grouping);
    }
}

}  // namespace

Outcome<int> read_format_number(std::string_view text, std::size_t& at) {
    int value = -1;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
        value = std::max(value, 0) * 10 + (text[at] - '0');
        if (value > max_format_width) return raise(formatted("a format wider than {}", max_format_width));
    }
    return value;
}

Outcome<FormatSpec> parse_format_spec(std::string_view text) {
    FormatSpec spec;
    std::size_t at = 0;
    if (!text.empty()) {
        std::size_t behind_fill = 0;
        (void)decode_utf8(text, behind_fill);
        if (behind_fill < text.size() && is_align(text[behind_fill])) {
            spec.fill = text.substr(0, behind_fill);
            spec.align = text[behind_fill];
            at = behind_fill + 1;
        } else if (is_align(text[0])) {
            spec.align = text[at++];
        }
    }
    const auto peek = [&] { return at < text.size() ? text[at] : '\0'; };
    if (peek() == '+' || peek() == '-' || peek() == ' ') spec.sign = text[at++];
    if (peek() == '#') spec.alternate = true, ++at;
    if (peek() == '0') spec.zero_padded = true, ++at;
    WEFT_TRY(spec.width, read_format_number(text, at));
    if (peek() == ',' || peek() == '_') spec.grouping = text[at++];
    if (peek() == '.') {
        ++at;
        WEFT_TRY(spec.precision, read_format_number(text, at));
        if (spec.precision < 0) return raise("Format specifier missing precision");
    }
    if (at < text.size()) spec.type = text[at++];
    if (at < text.size()) return raise("Invalid format specifier");
    return spec;
}

Outcome<std::string> format_text(Meter& meter, const FormatSpec& spec, std::string_view text) {
    WEFT_CHECK(meter.work(text.size()));
    if (spec.type != '\0' && spec.type != 's')
        return raise(formatted("Unknown format code '{}' for object of type 'str'", spec.type));
    if (spec.precision >= 0) text = text.substr(0, offset_of_character(text, static_cast<std::size_t>(spec.precision)));
    const Side side = spec.align == '>' ? Side::right : spec.align == '^' ? Side::both : Side::left;
    if (side != Side::both) return padded(text, spec.width, spec.fill, side);
    // Format puts the odd space behind the text, unlike center().
    const auto missing = std::max<std::int64_t>(spec.width - static_cast<std::int64_t>(count_characters(text)), 0);
    const std::string left = padded(text, spec.width - missing + missing / 2, spec.fill, Side::right);
    return padded(left, spec.width, spec.fill, Side::left);
}

Outcome<std::string> format_number(Meter& meter, const FormatSpec& spec, const Value& number) {
    const bool real_type = spec.type != '\0' && std::string_view("eEfFgG%").contains(spec.type);
    if (!real_type && spec.type != '\0' && !std::string_view("dxXobcn").contains(spec.type))
        return raise(formatted("Unknown format code '{}' for object of type '{}'", spec.type, type_name(number)));
    const bool as_real = real_type || number.kind() == Kind::real;
    if (as_real && !real_type && spec.type != '\0')
        return raise(formatted("Unknown format code '{}' for object of type 'float'", spec.type));
    std::string digits;
    bool negative = false;
    if (as_real) {
        negative = std::signbit(number.as_real());
        digits = digits_of_real(spec, std::fabs(number.as_real()));
    } else {
        const std::int64_t value = number.as_integer();
        negative = value < 0;
        WEFT_TRY(digits, digits_of_integer(spec, negative ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value)));
    }
    const std::string sign = negative ? "-" : spec.sign == '+' ? "+" : spec.sign == ' ' ? " " : "";
    const bool fill_inside = spec.align == '=' || (spec.zero_padded && spec.align != '<');
    const std::int64_t width = spec.width;
    if (fill_inside)
        return sign + padded(digits, width - static_cast<std::int64_t>(sign.size()), spec.zero_padded ? "0" : spec.fill, Side::right);
    FormatSpec outer = spec;
    outer.type = '\0';
    outer.precision = -1;
    if (outer.align == '\0') outer.align = '>';
    return format_text(meter, outer, sign + digits);
}

}  // namespace weft::jinja
