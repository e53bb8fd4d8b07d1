#include <cmath>
#include <charconv>

#include "jinja/builtin.h"
#include "base/formatted.h"
#include "jinja/operators.h"
#include "jinja/python_text.h"
#include "jinja/text_tools.h"

namespace weft::jinja {

namespace {

std::optional<std::int64_t> parse_integer(std::string_view text, int base) {
    text = strip(text, std::nullopt, Side::both);
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    const std::string_view prefix = base == 16 ? "0x" : base == 8 ? "0o" : base == 2 ? "0b" : "";
    if (!prefix.empty() && text.size() > 2 && text[0] == '0' && (text[1] | 0x20) == prefix[1]) text.remove_prefix(2);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc{} || end != text.data() + text.size() || text.starts_with('-')) return std::nullopt;
    return negative ? -value : value;
}

std::optional<double> parse_real(std::string_view text) {
    text = strip(text, std::nullopt, Side::both);
    const bool signed_text = text.starts_with('-') || text.starts_with('+');
    const bool negative = text.starts_with('-');
    if (signed_text) text.remove_prefix(1);
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.starts_with('-')) return std::nullopt;
    return negative ? -value : value;
}

std::optional<std::int64_t> whole_part(double value) {
    if (!(std::fabs(value) < 9.2e18)) return std::nullopt;
    return static_cast<std::int64_t>(value);
}

Outcome<Value> to_integer(Call& call) {
    const Value fallback = call.has(0) ? call.at(0) : Value::integer(0);
    WEFT_TRY(const std::int64_t base, call.integer(1, 10));
    const Value& value = call.subject;
    std::optional<std::int64_t> result;
    if (value.is_undefined()) return raise(value.undefined_hint());
    if (value.is_integral()) result = value.as_integer();
    if (value.kind() == Kind::real) result = whole_part(value.as_real());
    if (value.is_string()) {
        if (base < 2 || base > 36) return raise("int() base must be >= 2 and <= 36");
        result = parse_integer(value.as_string(), static_cast<int>(base));
        if (!result) result = parse_real(value.as_string()).and_then(whole_part);
    }
    return result ? Value::integer(*result) : fallback;
}

Outcome<Value> to_real(Call& call) {
    const Value& value = call.subject;
    if (value.is_undefined()) return raise(value.undefined_hint());
    if (value.is_number()) return Value::real(value.as_real());
    if (value.is_string())
        if (const auto parsed = parse_real(value.as_string())) return Value::real(*parsed);
    return call.has(0) ? call.at(0) : Value::real(0.0);
}

Outcome<Value> absolute(Call& call) {
    if (call.subject.is_undefined()) return raise(call.subject.undefined_hint());
    if (!call.subject.is_number()) return raise(formatted("bad operand type for abs(): '{}'", type_name(call.subject)));
    if (call.subject.kind() == Kind::real) return Value::real(std::fabs(call.subject.as_real()));
    return call.subject.as_integer() < 0 ? negate(call.subject) : Value::integer(call.subject.as_integer());
}

// Half to even on the exact decimal value, as Python's round.
double round_to(double value, std::int64_t digits) {
    if (!std::isfinite(value) || digits > 300) return value;
    if (digits < -300) return 0.0 * value;
    if (digits < 0) {
        const double scale = std::pow(10.0, static_cast<double>(-digits));
        return std::nearbyint(value / scale) * scale;
    }
    const std::string text = formatted("{:.{}f}", value, digits);
    double rounded = value;
    std::from_chars(text.data(), text.data() + text.size(), rounded);
    return rounded;
}

Outcome<Value> round_integer(std::int64_t value, std::int64_t digits) {
    if (digits >= 0) return Value::integer(value);
    if (digits < -18) return Value::integer(0);
    std::int64_t scale = 1;
    for (; digits < 0; ++digits) scale *= 10;
    const std::int64_t rest = (value % scale + scale) % scale, down = value - rest;
    const bool up = rest * 2 > scale || (rest * 2 == scale && (down / scale) % 2 != 0);
    return Value::integer(up ? down + scale : down);
}

Outcome<Value> round(Call& call) {
    WEFT_TRY(const std::int64_t digits, call.integer(0, 0));
    WEFT_TRY(const auto method, call.text(1, "common"));
    if (method != "common" && method != "ceil" && method != "floor") return raise("method must be common, ceil or floor");
    if (!call.subject.is_number()) return raise(formatted("type {} doesn't define __round__ method", type_name(call.subject)));
    if (method == "common") {
        if (call.subject.is_integral()) return round_integer(call.subject.as_integer(), digits);
        return Value::real(round_to(call.subject.as_real(), digits));
    }
    const double scale = std::pow(10.0, static_cast<double>(digits)), scaled = call.subject.as_real() * scale;
    return Value::real((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Outcome<Value> filesizeformat(Call& call) {
    WEFT_TRY(const Value size, to_real(call));
    const bool binary = call.flag(0);
    const double base = binary ? 1024 : 1000, bytes = size.as_real();
    if (bytes == 1) return Value::string("1 Byte");
    if (bytes < base) return Value::string(formatted("{} Bytes", static_cast<std::int64_t>(bytes)));
    static constexpr std::string_view prefixes = "kMGTPEZY";
    double unit = base;
    std::size_t i = 0;
    for (; i + 1 < prefixes.size() && bytes >= unit * base; ++i) unit *= base;
    const char prefix = binary && i == 0 ? 'K' : prefixes[i];
    return Value::string(formatted("{:.1f} {}{}", bytes / unit, prefix, binary ? "iB" : "B"));
}

constexpr Builtin number_filter_table[] = {
    {"int", "default? base?", to_integer},
    {"float", "default?", to_real},
    {"abs", "", absolute},
    {"round", "precision? method?", round},
    {"filesizeformat", "binary?", filesizeformat},
};

}  // namespace

BuiltinTable number_filters() { return number_filter_table; }

}  // namespace weft::jinja
