#include "gotemplate/function.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#include "base/formatted.h"

namespace weft::gotemplate {
namespace {

using Arguments = std::span<const Value>;

constexpr std::size_t any_number = std::numeric_limits<std::size_t>::max();

std::unexpected<Error> wrong(std::string_view message) {
    return fail(ErrorCode::invalid_request, std::string(message));
}

// ---- comparison -----------------------------------------------------------------------------------------------------

bool is_number(const Value& value) { return value.kind() == Kind::integer || value.kind() == Kind::real; }

double number(const Value& value) {
    return value.kind() == Kind::integer ? static_cast<double>(value.as_integer()) : value.as_real();
}

Result<bool> equal(const CallContext& context, const Value& a, const Value& b) {
    if (a.is_nil() || b.is_nil()) return a.is_nil() && b.is_nil();
    if (a.kind() == Kind::integer && b.kind() == Kind::integer) return a.as_integer() == b.as_integer();
    if (is_number(a) && is_number(b)) return number(a) == number(b);
    if (a.kind() != b.kind()) return wrong("incompatible types for comparison");
    if (a.kind() == Kind::boolean) return a.as_boolean() == b.as_boolean();
    if (!a.is_string()) return wrong("values of this type cannot be compared");
    WEFT_CHECK(context.meter.work(std::min(a.length(), b.length())));
    return a.as_string() == b.as_string();
}

Result<bool> less(const CallContext& context, const Value& a, const Value& b) {
    if (a.kind() == Kind::integer && b.kind() == Kind::integer) return a.as_integer() < b.as_integer();
    if (is_number(a) && is_number(b)) return number(a) < number(b);
    if (!a.is_string() || !b.is_string()) return wrong("incompatible types for comparison");
    WEFT_CHECK(context.meter.work(std::min(a.length(), b.length())));
    return a.as_string() < b.as_string();
}

// With several right-hand sides, any of them will do.
Result<Value> eq(const CallContext& context, Arguments a) {
    for (const auto& other : a.subspan(1)) {
        WEFT_TRY(const bool same, equal(context, a[0], other));
        if (same) return Value::boolean(true);
    }
    return Value::boolean(false);
}

Result<Value> ne(const CallContext& context, Arguments a) {
    WEFT_TRY(const bool same, equal(context, a[0], a[1]));
    return Value::boolean(!same);
}

Result<Value> lt(const CallContext& context, Arguments a) {
    WEFT_TRY(const bool is, less(context, a[0], a[1]));
    return Value::boolean(is);
}

Result<Value> gt(const CallContext& context, Arguments a) {
    WEFT_TRY(const bool is, less(context, a[1], a[0]));
    return Value::boolean(is);
}

Result<Value> le(const CallContext& context, Arguments a) {
    WEFT_TRY(const bool is, less(context, a[1], a[0]));
    return Value::boolean(!is);
}

Result<Value> ge(const CallContext& context, Arguments a) {
    WEFT_TRY(const bool is, less(context, a[0], a[1]));
    return Value::boolean(!is);
}

Result<Value> not_(const CallContext&, Arguments a) { return Value::boolean(!a[0].truthy()); }

// ---- containers -----------------------------------------------------------------------------------------------------

Result<Value> len(const CallContext&, Arguments a) {
    const auto kind = a[0].kind();
    if (kind != Kind::string && kind != Kind::list && kind != Kind::map) return wrong("len of a value that has none");
    return Value::integer(static_cast<std::int64_t>(a[0].length()));
}

Result<std::size_t> place_in(const Value& index, std::size_t length, bool end_counts) {
    if (index.kind() != Kind::integer) return wrong("cannot index with a value that is not a whole number");
    const auto at = index.as_integer();
    if (at < 0 || static_cast<std::uint64_t>(at) >= length + (end_counts ? 1 : 0))
        return wrong(formatted("index out of range: {}", at));
    return static_cast<std::size_t>(at);
}

Result<Value> element(const Value& container, const Value& index) {
    switch (container.kind()) {
        case Kind::list: {
            WEFT_TRY(const auto at, place_in(index, container.length(), false));
            return container.as_list().items[at];
        }
        case Kind::string: {
            WEFT_TRY(const auto at, place_in(index, container.length(), false));
            return Value::integer(static_cast<unsigned char>(container.as_string()[at]));
        }
        case Kind::map: {
            if (!index.is_string()) return wrong("a map is indexed with text");
            const auto& entries = container.as_map().entries;
            const auto at = entries.find(index.as_string());
            return at == entries.end() ? Value() : at->second;
        }
        default: return wrong("cannot index a value that is neither list, map nor text");
    }
}

Result<Value> index(const CallContext&, Arguments a) {
    Value value = a[0];
    for (const auto& at : a.subspan(1)) {
        WEFT_TRY(value, element(value, at));
    }
    return value;
}

Result<Value> slice(const CallContext& context, Arguments a) {
    if (a[0].kind() != Kind::string && a[0].kind() != Kind::list) return wrong("cannot slice a value that is neither list nor text");
    if (a[0].is_string() && a.size() == 4) return wrong("cannot 3-index slice text");
    const auto length = a[0].length();
    std::array<std::size_t, 3> bounds{0, length, length};
    for (std::size_t i = 1; i < a.size(); ++i) {
        WEFT_TRY(bounds[i - 1], place_in(a[i], length, true));
    }
    if (bounds[0] > bounds[1] || bounds[1] > bounds[2]) return wrong("invalid slice: the end is before the start");
    const auto [from, to, capacity] = bounds;
    WEFT_CHECK(context.meter.work((to - from) * (a[0].is_string() ? 1 : sizeof(Value))));
    if (a[0].is_string()) return Value::string(std::string(a[0].as_string().substr(from, to - from)));
    const auto& list = a[0].as_list();
    List part;
    part.shown = list.shown;
    part.items.assign(list.items.begin() + static_cast<std::ptrdiff_t>(from), list.items.begin() + static_cast<std::ptrdiff_t>(to));
    return Value::list(std::move(part));
}

// ---- text -----------------------------------------------------------------------------------------------------------

Result<Value> made(const CallContext& context, std::string text) {
    WEFT_CHECK(context.meter.work(text.size()));
    return Value::string(std::move(text));
}

Result<Value> json(const CallContext& context, Arguments a) {
    std::string out;
    a[0].json(out);
    return made(context, std::move(out));
}

// Operands are separated by spaces when neither is text.
Result<Value> print(const CallContext& context, Arguments a) {
    std::string out;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (i > 0 && !a[i].is_string() && !a[i - 1].is_string()) out += ' ';
        a[i].print(out);
        WEFT_CHECK(context.meter.output(out.size()));
    }
    return made(context, std::move(out));
}

Result<Value> println(const CallContext& context, Arguments a) {
    std::string out;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (i > 0) out += ' ';
        a[i].print(out);
        WEFT_CHECK(context.meter.output(out.size()));
    }
    return made(context, out + "\n");
}

// ---- what Ollama adds -----------------------------------------------------------------------------------------------

Value date(std::chrono::system_clock::time_point time) {
    const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(time));
    return Value::string(formatted("{:%Y-%m-%d}", day));
}

Result<Value> current_date(const CallContext& context, Arguments) { return date(context.now); }
Result<Value> yesterday_date(const CallContext& context, Arguments) { return date(context.now - std::chrono::days(1)); }

std::string_view typescript_name(std::string_view type) {
    if (type == "string" || type == "boolean" || type == "null") return type;
    if (type == "number" || type == "integer") return "number";
    if (type == "array") return "any[]";
    if (type == "object") return "Record<string, any>";
    return "any";
}

const Value* member(const Value& value, std::string_view field, std::string_view key) {
    if (value.kind() == Kind::record) return value.as_record().find(field);
    if (value.kind() != Kind::map) return nullptr;
    const auto at = value.as_map().entries.find(key);
    return at == value.as_map().entries.end() ? nullptr : &at->second;
}

template <typename Put>
Result<void> put_alternatives(std::string& out, const List& list, Put put) {
    for (const auto& item : list.items) {
        if (&item != &list.items.front()) out += " | ";
        WEFT_CHECK(put(item));
    }
    return {};
}

Result<void> put_typescript(const CallContext& context, std::string& out, const Value& property) {
    const DepthGuard guard(context.meter);
    WEFT_CHECK(guard.entered());
    WEFT_CHECK(context.meter.step());
    if (const auto* any_of = member(property, "AnyOf", "anyOf"); any_of && any_of->kind() == Kind::list && any_of->length() > 0)
        return put_alternatives(out, any_of->as_list(), [&](const Value& one) { return put_typescript(context, out, one); });
    const auto* type = member(property, "Type", "type");
    if (type && type->is_string()) out += typescript_name(type->as_string());
    else if (type && type->kind() == Kind::list && type->length() > 0)
        return put_alternatives(out, type->as_list(), [&out](const Value& one) -> Result<void> {
            out += one.is_string() ? typescript_name(one.as_string()) : "any";
            return {};
        });
    else out += "any";
    return {};
}

Result<Value> to_typescript_type(const CallContext& context, Arguments a) {
    std::string out;
    WEFT_CHECK(put_typescript(context, out, a[0]));
    return made(context, std::move(out));
}

// and, or: see the renderer.
Result<Value> not_called(const CallContext&, Arguments) { return Value(); }

constexpr std::array functions{
    Function{"and", 1, any_number, not_called, Function::Special::and_},
    Function{"or", 1, any_number, not_called, Function::Special::or_},
    Function{"not", 1, 1, not_},
    Function{"eq", 2, any_number, eq},
    Function{"ne", 2, 2, ne},
    Function{"lt", 2, 2, lt},
    Function{"le", 2, 2, le},
    Function{"gt", 2, 2, gt},
    Function{"ge", 2, 2, ge},
    Function{"len", 1, 1, len},
    Function{"index", 1, any_number, index},
    Function{"slice", 1, 4, slice},
    Function{"print", 0, any_number, print},
    Function{"println", 0, any_number, println},
    Function{"printf", 1, any_number, print_formatted},
    Function{"json", 1, 1, json},
    Function{"toJson", 1, 1, json},
    Function{"currentDate", 0, any_number, current_date},
    Function{"yesterdayDate", 0, any_number, yesterday_date},
    Function{"toTypeScriptType", 1, 1, to_typescript_type},
};

}  // namespace

const Function* find_function(std::string_view name) {
    const auto at = std::ranges::find(functions, name, &Function::name);
    return at == functions.end() ? nullptr : &*at;
}

}  // namespace weft::gotemplate
