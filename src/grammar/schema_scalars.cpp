#include <algorithm>
#include <cmath>

#include "grammar/json_strings.h"
#include "base/utf8.h"
#include "grammar/number_ranges.h"
#include "grammar/regex_gbnf.h"
#include "grammar/schema_compiler.h"

namespace weft {
namespace {

std::string in_quotes(const std::string& inside) { return "\"\\\"\" (" + inside + ") \"\\\"\""; }

Decimal decimal_of(const SchemaJson& value) {
    if (const auto* whole = value.get_if<std::uint64_t>(); whole && *whole <= INT64_MAX)
        return Decimal::of(static_cast<std::int64_t>(*whole));
    if (const auto* whole = value.get_if<std::int64_t>()) return Decimal::of(*whole);
    return Decimal::of(value.as<double>());
}

// Draft 4 and OpenAPI write exclusiveMinimum: true beside minimum.
void bind(std::optional<Decimal>& bound, bool& exclusive, const SchemaJson* inclusive_at, const SchemaJson* exclusive_at, int sign) {
    if (inclusive_at) bound = decimal_of(*inclusive_at);
    if (!exclusive_at) return;
    if (exclusive_at->is_boolean()) {
        exclusive = exclusive_at->get<bool>();
        return;
    }
    const auto other = decimal_of(*exclusive_at);
    if (bound && compare(*bound, other) * sign > 0) return;
    bound = other;
    exclusive = true;
}

bool is_power_of_ten(double value, int& digits) {
    for (digits = 1; digits <= 9; ++digits)
        if (std::abs(value * std::pow(10.0, digits) - 1) < 1e-9) return true;
    return false;
}

}  // namespace

Result<bool> SchemaCompiler::allows(const SchemaJson& schema, const SchemaJson& value, Path path) const {
    if (value.is_string()) {
        const std::uint64_t length = code_points(value.get<std::string>());
        WEFT_TRY(const auto least, count_in(schema, "minLength", path));
        WEFT_TRY(const auto most, count_in(schema, "maxLength", path));
        if (length < least.value_or(0) || (most && length > *most)) return false;
        if (member(schema, "pattern")) WEFT_CHECK(cannot("pattern", path, "beside an enum"));
    } else if (value.is_number()) {
        const auto number = value.as<double>();
        const auto fails = [&](std::string_view key, auto breaks) {
            const auto* bound = member(schema, key);
            return bound && bound->is_number() && breaks(bound->as<double>());
        };
        return !fails("minimum", [&](double b) { return number < b; }) && !fails("maximum", [&](double b) { return number > b; }) &&
               !fails("exclusiveMinimum", [&](double b) { return number <= b; }) &&
               !fails("exclusiveMaximum", [&](double b) { return number >= b; }) &&
               !fails("multipleOf", [&](double b) { return b > 0 && std::fmod(number, b) != 0; });
    } else if (value.is_object() || value.is_array()) {
        for (const auto keyword : {"properties", "required", "additionalProperties", "patternProperties", "items", "prefixItems",
                                   "minItems", "maxItems", "minProperties", "maxProperties"})
            if (member(schema, keyword)) WEFT_CHECK(cannot(keyword, path, "beside an enum of objects or lists"));
    }
    return true;
}

Result<SchemaCompiler::Rule> SchemaCompiler::string(const SchemaJson& schema, Path path, std::string_view name) {
    WEFT_TRY(const auto least, count_in(schema, "minLength", path));
    WEFT_TRY(const auto most, count_in(schema, "maxLength", path));
    if (least && most && *least > *most) return std::nullopt;
    const LengthRange wanted{least.value_or(0), most};
    const auto* pattern = member(schema, "pattern");
    const auto* format = member(schema, "format");
    const auto* known = format && format->is_string() ? find_format(format->get<std::string>()) : nullptr;
    if (pattern) {
        if (!pattern->is_string()) return wrong(path, "has a 'pattern' that is not a string");
        if (known) WEFT_CHECK(cannot("format", path, "beside a pattern"));
        auto regex = Regex::parse(pattern->get<std::string>());
        if (!regex) {
            WEFT_CHECK(cannot("pattern", path, "(" + regex.error().message + ")"));
        } else {
            if ((least || most) && !regex->narrow(wanted)) WEFT_CHECK(cannot(least ? "minLength" : "maxLength", path, "beside this pattern"));
            auto inside = regex->add_to(builder_, Regex::Writing::json_string);
            if (inside) return in_quotes(*inside);
            WEFT_CHECK(cannot("pattern", path, "(" + inside.error().message + ")"));
        }
    } else if (known) {
        const bool fits = known->least >= wanted.least && (!wanted.most || known->most <= *wanted.most);
        if (!fits) WEFT_CHECK(cannot(least ? "minLength" : "maxLength", path, "beside this format"));
        return in_quotes(builder_.add_shared_rule(known->name, std::string(known->gbnf)));
    }
    (void)name;
    const auto c = add_json_char(builder_);
    if (!least && !most) return builder_.add_shared_rule("string", "\"\\\"\" " + c + "* \"\\\"\"");
    return "\"\\\"\" " + c + "{" + std::to_string(wanted.least) + "," + (most ? std::to_string(*most) : "") + "} \"\\\"\"";
}

Result<NumberBounds> SchemaCompiler::bounds_of(const SchemaJson& schema, Path path) {
    for (const std::string_view key : {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}) {
        const auto* value = member(schema, key);
        if (!value || value->is_number()) continue;
        if (!value->is_boolean() || !key.starts_with("exclusive")) return wrong(path, "has a '" + std::string(key) + "' that is not a number");
    }
    NumberBounds bounds;
    bind(bounds.least, bounds.above_least, member(schema, "minimum"), member(schema, "exclusiveMinimum"), 1);
    bind(bounds.most, bounds.below_most, member(schema, "maximum"), member(schema, "exclusiveMaximum"), -1);
    return bounds;
}

Result<SchemaCompiler::Rule> SchemaCompiler::number(const SchemaJson& schema, bool whole, Path path) {
    WEFT_TRY(auto bounds, bounds_of(schema, path));
    const auto* multiple = member(schema, "multipleOf");
    if (!multiple) return whole ? add_integer(builder_, bounds) : add_number(builder_, bounds);
    const double step = multiple->as<double>();
    if (!(step > 0)) return wrong(path, "has a 'multipleOf' that is not above 0");
    if (step == std::floor(step) && step <= 1e15) {
        if (step == 1) return add_integer(builder_, bounds);
        auto rule = add_multiples(builder_, static_cast<std::int64_t>(step), bounds);
        if (rule) return *rule;
        WEFT_CHECK(cannot("multipleOf", path, rule.error().message));
        return add_integer(builder_, bounds);
    }
    int digits = 0;
    const bool in_places = !whole && is_power_of_ten(step, digits);
    if (in_places && !bounds.any())
        return builder_.add_shared_rule("decimal", R"("-"? ("0" | [1-9] [0-9]{0,8}) ("." [0-9]{1,)" + std::to_string(digits) + "})?");
    const auto fits = [&](const std::optional<Decimal>& bound) { return !bound || bound->fraction.size() <= static_cast<std::size_t>(digits); };
    if (in_places && fits(bounds.least) && fits(bounds.most)) {
        bounds.places = static_cast<std::size_t>(digits);
        return add_number(builder_, bounds);
    }
    WEFT_CHECK(cannot("multipleOf", path));
    return whole ? add_integer(builder_, bounds) : add_number(builder_, bounds);
}

}  // namespace weft
