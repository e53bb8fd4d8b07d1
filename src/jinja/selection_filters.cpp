
#include "jinja/access.h"
#include "base/formatted.h"
#include "jinja/builtin.h"
#include "jinja/key_of.h"
#include "jinja/operators.h"
#include "jinja/python_text.h"
#include "jinja/render.h"

namespace weft::jinja {

namespace {

const Value* named(const Call& call, std::string_view name) {
    for (const auto& [given, value] : call.given.named)
        if (given == name) return &value;
    return nullptr;
}

Arguments without_first(const Arguments& given, std::size_t count) {
    return {{given.positional.begin() + static_cast<std::ptrdiff_t>(count), given.positional.end()}, given.named};
}

Outcome<Value> default_value(Call& call) {
    const bool replace = call.subject.is_undefined() || (call.flag(1) && !call.subject.truthy());
    if (!replace) return call.subject;
    return call.has(0) ? call.at(0) : Value::string("");
}

Outcome<Value> attr(Call& call) {
    WEFT_TRY(const auto name, call.text(0));
    if (auto attribute = find_attribute(call.subject, name)) return std::move(*attribute);
    return Value::undefined(formatted("'{}' object has no attribute '{}'", type_name(call.subject), name));
}

// Python's filters of this kind are generators: whatever goes wrong with an item is only noticed by who gets that far.
// So the walk is done at once, and the failure handed on with what came before it.
template <typename Visit>
Outcome<Value> each(Call& call, const Sequence& items, Visit visit) {
    std::vector<Value> out;
    for (const Value& item : items.items) {
        WEFT_CHECK(call.meter().step());
        if (auto done = visit(item, out); !done)
            return call.render.new_object(std::make_shared<Iterator>(std::move(out), std::move(done).error()));
    }
    return call.render.new_iterator(std::move(out));
}

Outcome<Value> map_attribute(Call& call, const Sequence& items, const Value& attribute) {
    for (const auto& [name, unused] : call.given.named)
        if (name != "attribute" && name != "default") return raise(formatted("Unexpected keyword argument '{}'", name));
    const AttributePath path(&attribute);
    const Value* fallback = named(call, "default");
    if (fallback && fallback->is_none()) fallback = nullptr;
    return each(call, items, [&](const Value& item, std::vector<Value>& out) -> Outcome<void> {
        WEFT_TRY(Value mapped, path.read(call.render, item, fallback));
        out.push_back(std::move(mapped));
        return {};
    });
}

Outcome<Value> map(Call& call) {
    if (!call.subject.truthy()) return call.render.new_iterator({});
    WEFT_TRY(const auto items, iterate(call.render, call.subject));
    if (call.given.positional.empty()) {
        const Value* attribute = named(call, "attribute");
        if (!attribute) return raise("map requires a filter argument");
        return map_attribute(call, *items, *attribute);
    }
    const Value& name = call.given.positional.front();
    const Builtin* filter = name.is_string() ? find_filter(name.as_string()) : nullptr;
    if (!filter) return raise("map requires the name of a filter");
    const Arguments rest = without_first(call.given, 1);
    return each(call, *items, [&](const Value& item, std::vector<Value>& out) -> Outcome<void> {
        WEFT_TRY(Value mapped, invoke(call.render, *filter, item, rest));
        out.push_back(std::move(mapped));
        return {};
    });
}

// The test that the arguments from `at` on name; plain truth when they name none.
struct Condition {
    const Builtin* test = nullptr;
    Arguments arguments{};

    Outcome<bool> holds(Render& render, const Value& value) const {
        if (!test) return value.truthy();
        return invoke(render, *test, value, arguments).transform([](const Value& result) { return result.truthy(); });
    }
};

Outcome<Condition> condition_of(const Call& call, std::size_t at) {
    if (call.given.positional.size() <= at) return Condition{};
    const Value& name = call.given.positional[at];
    const Builtin* test = name.is_string() ? find_test(name.as_string()) : nullptr;
    if (!test) return raise(formatted("No test named {}.", name.is_string() ? name.as_string() : type_name(name)));
    return Condition{test, without_first(call.given, at + 1)};
}

template <bool keep, bool by_attribute>
Outcome<Value> select(Call& call) {
    if (!call.subject.truthy()) return call.render.new_iterator({});
    WEFT_TRY(const auto items, iterate(call.render, call.subject));
    if (by_attribute && call.given.positional.empty()) return raise("Missing parameter for attribute name");
    const AttributePath path(by_attribute ? &call.given.positional.front() : nullptr);
    WEFT_TRY(const Condition condition, condition_of(call, by_attribute ? 1 : 0));
    return each(call, *items, [&](const Value& item, std::vector<Value>& out) -> Outcome<void> {
        WEFT_TRY(const Value value, path.read(call.render, item));
        WEFT_TRY(const bool holds, condition.holds(call.render, value));
        if (holds == keep) out.push_back(item);
        return {};
    });
}

// One row of groupby: a pair that also answers to .grouper and .list.
class Group final : public Object {
  public:
    Group(Value key, Value members) : key_(std::move(key)), members_(std::move(members)) {}

    [[nodiscard]] std::string_view type_name() const override { return "_GroupTuple"; }
    [[nodiscard]] std::string repr() const override { return "<group>"; }
    [[nodiscard]] int depth() const override { return std::max(key_.depth(), members_.depth()) + 1; }
    [[nodiscard]] Outcome<std::shared_ptr<const Sequence>> iterate() override {
        return Value::tuple({key_, members_}).sequence_ref();
    }
    [[nodiscard]] std::ptrdiff_t length() const override { return 2; }
    [[nodiscard]] std::optional<Value> attribute(std::string_view name) override {
        if (name == "grouper") return key_;
        return name == "list" ? std::optional(members_) : std::nullopt;
    }

  private:
    Value key_, members_;
};

Outcome<Value> groupby(Call& call) {
    WEFT_TRY(const auto items, iterate(call.render, call.subject));
    const AttributePath path(call.bound[0]);
    std::vector<Value> plain, keys;
    for (const Value& item : items->items) {
        WEFT_TRY(Value key, path.read(call.render, item, call.bound[1]));
        WEFT_CHECK(call.meter().work(key.weight() * 8));
        keys.push_back(fold_case(key, call.flag(2)));
        plain.push_back(std::move(key));
    }
    WEFT_TRY(const auto order, sorted_order(keys, false));
    std::vector<Value> groups;
    for (std::size_t at = 0; at < order.size();) {
        const std::size_t start = at;
        std::vector<Value> members;
        for (; at < order.size() && equal(keys[order[at]], keys[order[start]]); ++at) members.push_back(items->items[order[at]]);
        WEFT_TRY(Value list, call.render.new_list(std::move(members)));
        WEFT_TRY(Value group, call.render.new_object(std::make_shared<Group>(plain[order[start]], std::move(list))));
        groups.push_back(std::move(group));
        if (at == start) ++at;  // a key that does not equal itself (NaN)
    }
    return call.render.new_list(std::move(groups));
}

constexpr Builtin selection_filter_table[] = {
    {"default", "default_value? boolean?", default_value},
    {"d", "default_value? boolean?", default_value},
    {"attr", "name", attr},
    {"map", "*", map},
    {"select", "*", select<true, false>},
    {"reject", "*", select<false, false>},
    {"selectattr", "*", select<true, true>},
    {"rejectattr", "*", select<false, true>},
    {"groupby", "attribute default? case_sensitive?", groupby},
};

}  // namespace

BuiltinTable selection_filters() { return selection_filter_table; }

}  // namespace weft::jinja
