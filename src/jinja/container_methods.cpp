#include <algorithm>
#include <cmath>

#include "jinja/builtin.h"
#include "jinja/operators.h"
#include "jinja/python_text.h"
#include "jinja/render.h"

namespace weft::jinja {

namespace {

// ---- dict ----

Outcome<Value> get(Call& call) {
    WEFT_CHECK(call.meter().work(call.at(0).weight()));
    WEFT_CHECK(require_hashable(call.at(0)));
    if (const Value* found = call.subject.as_dict().find(call.at(0))) return *found;
    return call.has(1) ? call.at(1) : Value::none();
}

Outcome<Value> view(Call& call, SequenceType type, Value (*part)(const Dict::Entry&)) {
    std::vector<Value> items;
    items.reserve(call.subject.as_dict().size());
    for (const auto& entry : call.subject.as_dict().entries()) items.push_back(part(entry));
    return call.render.new_sequence({type, std::move(items)});
}

Outcome<Value> keys(Call& call) {
    return view(call, SequenceType::dict_keys, [](const Dict::Entry& entry) { return entry.first; });
}

Outcome<Value> values(Call& call) {
    return view(call, SequenceType::dict_values, [](const Dict::Entry& entry) { return entry.second; });
}

Outcome<Value> dict_items(Call& call) {
    WEFT_CHECK(call.meter().work(call.subject.as_dict().size() * 4 * sizeof(Value)));
    return view(call, SequenceType::dict_items,
                [](const Dict::Entry& entry) { return Value::tuple({entry.first, entry.second}); });
}

Outcome<Value> copy(Call& call) { return call.subject; }

constexpr Builtin of_dict[] = {
    {"get", "key default?", get}, {"items", "", dict_items}, {"keys", "", keys}, {"values", "", values}, {"copy", "", copy},
};

// ---- list, tuple, range ----

Outcome<Value> sequence_count(Call& call) {
    WEFT_CHECK(call.meter().work(call.subject.weight()));
    const auto same = [&](const Value& item) { return equal(item, call.at(0)); };
    return Value::integer(std::ranges::count_if(call.subject.as_sequence().items, same));
}

Outcome<Value> sequence_index(Call& call) {
    WEFT_CHECK(call.meter().work(call.subject.weight()));
    const auto& all = call.subject.as_sequence().items;
    WEFT_TRY(const std::int64_t start, call.integer(1, 0));
    const auto size = static_cast<std::int64_t>(all.size());
    const std::int64_t first = std::clamp<std::int64_t>(start < 0 ? start + size : start, 0, size);
    const auto found = std::find_if(all.begin() + first, all.end(), [&](const Value& v) { return equal(v, call.at(0)); });
    if (found == all.end()) return raise("the value is not in the list");
    return Value::integer(found - all.begin());
}

constexpr Builtin of_sequence[] = {
    {"count", "value", sequence_count},
    {"index", "value start?", sequence_index},
    {"copy", "", copy},
};

// ---- numbers ----

Outcome<Value> is_integer(Call& call) {
    const double value = call.subject.as_real();
    return Value::boolean(std::isfinite(value) && std::floor(value) == value);
}

Outcome<Value> bit_length(Call& call) {
    if (!call.subject.is_integral()) return raise("'float' object has no attribute 'bit_length'");
    const auto value = call.subject.as_integer();
    const auto magnitude = value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
    return Value::integer(std::bit_width(magnitude));
}

constexpr Builtin of_number[] = {{"is_integer", "", is_integer}, {"bit_length", "", bit_length}};

}  // namespace

BuiltinTable dict_methods() { return of_dict; }
BuiltinTable sequence_methods() { return of_sequence; }
BuiltinTable number_methods() { return of_number; }

}  // namespace weft::jinja
