#include <cmath>
#include <limits>
#include <optional>

#include "jinja/operators.h"
#include "base/formatted.h"
#include "jinja/python_text.h"
#include "jinja/text_format.h"

namespace weft::jinja {

namespace {

std::unexpected<Failure> too_large() { return raise("an integer needs more than 64 bits"); }
std::unexpected<Failure> division_by_zero() { return raise("division by zero"); }

std::int64_t floor_quotient(std::int64_t a, std::int64_t b) {
    const std::int64_t quotient = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

double floor_remainder(double a, double b) {
    const double remainder = std::fmod(a, b);
    return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder;
}

Outcome<Value> integer_power(std::int64_t base, std::int64_t exponent) {
    if (exponent < 0) {
        if (base == 0) return division_by_zero();
        return Value::real(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
    }
    std::int64_t result = 1;
    for (bool overflow = false; exponent > 0; exponent >>= 1) {
        if (exponent & 1) overflow = __builtin_mul_overflow(result, base, &result);
        if (overflow) return too_large();
        if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) return too_large();
    }
    return Value::integer(result);
}

Outcome<Value> integer_division(BinaryOperator op, std::int64_t a, std::int64_t b) {
    if (b == 0) return division_by_zero();
    if (op == BinaryOperator::divide) return Value::real(static_cast<double>(a) / static_cast<double>(b));
    if (b == -1) {  // the smallest integer has no positive twin
        if (op == BinaryOperator::modulo) return Value::integer(0);
        return negate(Value::integer(a));
    }
    const std::int64_t quotient = floor_quotient(a, b);
    return Value::integer(op == BinaryOperator::modulo ? a - quotient * b : quotient);
}

Outcome<Value> apply_integers(BinaryOperator op, std::int64_t a, std::int64_t b) {
    std::int64_t result = 0;
    bool overflow = false;
    switch (op) {
        case BinaryOperator::add: overflow = __builtin_add_overflow(a, b, &result); break;
        case BinaryOperator::subtract: overflow = __builtin_sub_overflow(a, b, &result); break;
        case BinaryOperator::multiply: overflow = __builtin_mul_overflow(a, b, &result); break;
        case BinaryOperator::power: return integer_power(a, b);
        default: return integer_division(op, a, b);
    }
    if (overflow) return too_large();
    return Value::integer(result);
}

Outcome<Value> apply_reals(BinaryOperator op, double a, double b) {
    const bool divides =
        op == BinaryOperator::divide || op == BinaryOperator::floor_divide || op == BinaryOperator::modulo;
    if (divides && b == 0) return division_by_zero();
    switch (op) {
        case BinaryOperator::add: return Value::real(a + b);
        case BinaryOperator::subtract: return Value::real(a - b);
        case BinaryOperator::multiply: return Value::real(a * b);
        case BinaryOperator::divide: return Value::real(a / b);
        case BinaryOperator::floor_divide: return Value::real(std::floor(a / b));
        case BinaryOperator::modulo: return Value::real(floor_remainder(a, b));
        case BinaryOperator::power: break;
    }
    if (a == 0 && b < 0) return division_by_zero();
    const double power = std::pow(a, b);
    if (!std::isfinite(power) && std::isfinite(a) && std::isfinite(b)) return raise("numerical result out of range");
    return Value::real(power);
}

Outcome<Value> joined_text(Meter& meter, const Value& a, const Value& b) {
    WEFT_CHECK(meter.work(a.as_string().size() + b.as_string().size()));
    std::string text;
    const bool markup = a.is_markup() || b.is_markup();
    for (const Value* side : {&a, &b}) {
        if (markup && !side->is_markup()) text += escape_html(side->as_string());
        else text += side->as_string();
    }
    return markup ? Value::markup(std::move(text)) : Value::string(std::move(text));
}

Outcome<Value> joined_sequences(Meter& meter, const Sequence& a, const Sequence& b) {
    WEFT_CHECK(meter.work((a.items.size() + b.items.size()) * sizeof(Value)));
    Sequence joined{a.type, a.items};
    joined.items.insert(joined.items.end(), b.items.begin(), b.items.end());
    return Value::sequence(std::move(joined));
}

Outcome<Value> repeated(Meter& meter, const Value& value, std::int64_t times) {
    const auto count = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
    const std::size_t unit = value.is_string() ? value.as_string().size() : value.as_sequence().items.size() * sizeof(Value);
    std::size_t bytes = 0;
    if (__builtin_mul_overflow(unit, count, &bytes)) bytes = std::numeric_limits<std::size_t>::max();
    WEFT_CHECK(meter.work(bytes));
    if (value.is_string()) {
        std::string text;
        text.reserve(bytes);
        for (std::size_t i = 0; i < count && unit != 0; ++i) text += value.as_string();
        return value.is_markup() ? Value::markup(std::move(text)) : Value::string(std::move(text));
    }
    const Sequence& source = value.as_sequence();
    Sequence out{source.type, {}};
    for (std::size_t i = 0; i < count && unit != 0; ++i)
        out.items.insert(out.items.end(), source.items.begin(), source.items.end());
    return Value::sequence(std::move(out));
}

bool is_list_or_tuple(const Value& value) {
    return value.is_sequence() && value.as_sequence().type <= SequenceType::tuple;
}

bool repeatable(const Value& value) { return value.is_string() || is_list_or_tuple(value); }

// What the operator means for text and lists; nothing when it has no such meaning.
std::optional<Outcome<Value>> apply_to_sequences(Meter& meter, BinaryOperator op, const Value& a, const Value& b) {
    if (op == BinaryOperator::add && a.is_string() && b.is_string()) return joined_text(meter, a, b);
    if (op == BinaryOperator::add && is_list_or_tuple(a) && is_list_or_tuple(b) &&
        a.as_sequence().type == b.as_sequence().type)
        return joined_sequences(meter, a.as_sequence(), b.as_sequence());
    if (op == BinaryOperator::multiply && repeatable(a) && b.is_integral()) return repeated(meter, a, b.as_integer());
    if (op == BinaryOperator::multiply && repeatable(b) && a.is_integral()) return repeated(meter, b, a.as_integer());
    if (op == BinaryOperator::modulo && a.is_string()) return printf_format(meter, a, b);
    return std::nullopt;
}

}  // namespace

Outcome<Value> apply(Meter& meter, BinaryOperator op, const Value& a, const Value& b) {
    if (a.is_integral() && b.is_integral()) return apply_integers(op, a.as_integer(), b.as_integer());
    if (a.is_number() && b.is_number()) return apply_reals(op, a.as_real(), b.as_real());
    if (auto result = apply_to_sequences(meter, op, a, b)) return std::move(*result);
    for (const Value* side : {&a, &b})
        if (side->is_undefined()) return raise(side->undefined_hint());
    if (op == BinaryOperator::add && a.is_string())
        return raise(formatted("can only concatenate str (not \"{}\") to str", type_name(b)));
    return raise(formatted("unsupported operand type(s) for {}: '{}' and '{}'", symbol_of(op), type_name(a),
                             type_name(b)));
}

Outcome<Value> negate(const Value& value) {
    if (value.kind() == Kind::real) return Value::real(-value.as_real());
    if (value.is_integral()) {
        std::int64_t result = 0;
        if (__builtin_sub_overflow(std::int64_t{0}, value.as_integer(), &result)) return too_large();
        return Value::integer(result);
    }
    if (value.is_undefined()) return raise(value.undefined_hint());
    return raise(formatted("bad operand type for unary -: '{}'", type_name(value)));
}

std::string_view symbol_of(BinaryOperator op) {
    switch (op) {
        case BinaryOperator::add: return "+";
        case BinaryOperator::subtract: return "-";
        case BinaryOperator::multiply: return "*";
        case BinaryOperator::divide: return "/";
        case BinaryOperator::floor_divide: return "//";
        case BinaryOperator::modulo: return "%";
        case BinaryOperator::power: return "** or pow()";
    }
    return "";
}

}  // namespace weft::jinja
