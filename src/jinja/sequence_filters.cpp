#include <algorithm>

#include "jinja/access.h"
#include "base/formatted.h"
#include "jinja/builtin.h"
#include "jinja/key_of.h"
#include "jinja/operators.h"
#include "jinja/python_text.h"
#include "jinja/render.h"
#include "jinja/unicode.h"

namespace weft::jinja {

namespace {

Outcome<Value> length(Call& call) {
    WEFT_CHECK(call.meter().work(call.subject.is_string() ? call.subject.weight() : 1));
    return length_of(call.subject).transform(Value::integer);
}

Outcome<Value> first(Call& call) {
    if (call.subject.kind() == Kind::object)
        if (auto* iterator = dynamic_cast<Iterator*>(call.subject.as_object().get()))
            return iterator->next().transform([](const std::optional<Value>& item) {
                return item.value_or(Value::undefined("No first item, sequence was empty."));
            });
    WEFT_TRY(const auto items, iterate(call.render, call.subject));
    return items->items.empty() ? Value::undefined("No first item, sequence was empty.") : items->items.front();
}

Outcome<Value> last(Call& call) {
    if (call.subject.kind() == Kind::object) return raise(formatted("'{}' object is not reversible", type_name(call.subject)));
    if (call.subject.is_undefined()) return raise("'Undefined' object is not reversible");
    WEFT_TRY(const auto items, iterate(call.render, call.subject));
    return items->items.empty() ? Value::undefined("No last item, sequence was empty.") : items->items.back();
}

Outcome<Value> list(Call& call) {
    WEFT_TRY(const auto items, iterate(call.render, call.subject));
    return call.render.new_list(items->items);
}

Outcome<Value> reverse(Call& call) {
    if (call.subject.is_string())
        return get_slice(call.render, call.subject, {Value::none(), Value::none(), Value::integer(-1)});
    WEFT_TRY(const auto items, iterate(call.render, call.subject));
    return call.render.new_iterator({items->items.rbegin(), items->items.rend()});
}

Outcome<Value> join(Call& call) {
    WEFT_TRY(const std::string separator, call.has(0) ? to_str(call.meter(), call.at(0)) : Outcome<std::string>());
    WEFT_TRY(const auto items, iterate(call.render, call.subject));
    const AttributePath path(call.bound[1]);
    std::string out;
    for (std::size_t i = 0; i < items->items.size(); ++i) {
        WEFT_TRY(const Value item, path.read(call.render, items->items[i]));
        WEFT_CHECK(call.meter().work(separator.size()));
        if (i) out += separator;
        WEFT_CHECK(append_str(call.meter(), out, item));
    }
    return Value::string(std::move(out));
}

Outcome<Value> items(Call& call) {
    if (call.subject.is_undefined()) return call.render.new_iterator({});
    if (!call.subject.is_dict()) return raise("Can only get item pairs from a mapping.");
    WEFT_CHECK(call.meter().work(call.subject.as_dict().size() * 4 * sizeof(Value)));
    std::vector<Value> pairs;
    for (const auto& [key, value] : call.subject.as_dict().entries()) pairs.push_back(Value::tuple({key, value}));
    return call.render.new_iterator(std::move(pairs));
}

// Comparing costs what is compared, about log2(n) times.
Outcome<std::vector<std::size_t>> metered_order(const Call& call, const std::vector<Value>& keys, bool reverse) {
    std::size_t weight = 0;
    for (const Value& key : keys) {
        WEFT_CHECK(call.meter().work(key.weight()));
        weight += key.weight();
    }
    for (std::size_t n = keys.size(); n > 1; n /= 2) WEFT_CHECK(call.meter().work(weight));
    return sorted_order(keys, reverse);
}

std::vector<Value> in_order(const std::vector<Value>& items, const std::vector<std::size_t>& order) {
    std::vector<Value> sorted;
    sorted.reserve(order.size());
    for (const std::size_t at : order) sorted.push_back(items[at]);
    return sorted;
}

Outcome<Value> dictsort(Call& call) {
    if (!call.subject.is_dict()) return raise(formatted("'{}' object has no attribute 'items'", type_name(call.subject)));
    WEFT_TRY(const auto by, call.text(1, "key"));
    if (by != "key" && by != "value") return raise("You can only sort by either \"key\" or \"value\"");
    std::vector<Value> keys, pairs;
    for (const auto& [key, value] : call.subject.as_dict().entries()) {
        keys.push_back(fold_case(by == "key" ? key : value, call.flag(0)));
        pairs.push_back(Value::tuple({key, value}));
    }
    WEFT_TRY(const auto order, metered_order(call, keys, call.flag(2)));
    return call.render.new_list(in_order(pairs, order));
}

Outcome<std::vector<Value>> sort_keys(const Call& call, const std::vector<Value>& items, const Value* attribute,
                                      bool case_sensitive) {
    const auto paths = AttributePath::list_of(attribute);
    std::vector<Value> keys;
    for (const Value& item : items) {
        std::vector<Value> key;
        for (const AttributePath& path : paths) {
            WEFT_TRY(Value part, path.read(call.render, item));
            key.push_back(fold_case(part, case_sensitive));
        }
        WEFT_TRY(Value whole, call.render.new_list(std::move(key)));
        keys.push_back(std::move(whole));
    }
    return keys;
}

Outcome<Value> sort(Call& call) {
    WEFT_TRY(const auto items, iterate(call.render, call.subject));
    WEFT_TRY(const auto keys, sort_keys(call, items->items, call.bound[2], call.flag(1)));
    WEFT_TRY(const auto order, metered_order(call, keys, call.flag(0)));
    return call.render.new_list(in_order(items->items, order));
}

Outcome<Value> unique(Call& call) {
    WEFT_TRY(const auto items, iterate(call.render, call.subject));
    const AttributePath path(call.bound[1]);
    std::vector<Value> kept;
    Dict seen;
    for (const Value& item : items->items) {
        WEFT_TRY(const Value part, path.read(call.render, item));
        const Value key = fold_case(part, call.flag(0));
        WEFT_CHECK(call.meter().work(key.weight() + (key.is_sequence() ? seen.weight() : 0)));
        WEFT_CHECK(require_hashable(key));
        if (seen.find(key)) continue;
        seen.set(key, Value::none());
        kept.push_back(item);
    }
    return call.render.new_iterator(std::move(kept));
}

template <bool want_greater>
Outcome<Value> extreme(Call& call) {
    WEFT_TRY(const auto items, iterate(call.render, call.subject));
    if (items->items.empty()) return Value::undefined("No aggregated item, sequence was empty.");
    const AttributePath path(call.bound[1]);
    const Value* best = nullptr;
    Value best_key;
    for (const Value& item : items->items) {
        WEFT_TRY(const Value part, path.read(call.render, item));
        Value key = fold_case(part, call.flag(0));
        WEFT_CHECK(call.meter().work(key.weight()));
        if (best) {
            WEFT_TRY(const bool better, want_greater ? less(best_key, key) : less(key, best_key));
            if (!better) continue;
        }
        best = &item;
        best_key = std::move(key);
    }
    return *best;
}

Outcome<Value> sum(Call& call) {
    WEFT_TRY(const auto items, iterate(call.render, call.subject));
    const AttributePath path(call.bound[0]);
    Value total = call.has(1) ? call.at(1) : Value::integer(0);
    if (total.is_string()) return raise("sum() can't sum strings [use ''.join(seq) instead]");
    for (const Value& item : items->items) {
        WEFT_TRY(const Value part, path.read(call.render, item));
        WEFT_TRY(total, apply(call.meter(), BinaryOperator::add, total, part));
    }
    return total;
}

Outcome<Value> batch(Call& call) {
    WEFT_TRY(const auto items, iterate(call.render, call.subject));
    WEFT_TRY(const std::int64_t size, call.integer(0, 1));
    if (size < 1) return raise("batch of less than one item");
    const auto row_size = static_cast<std::size_t>(size);
    std::vector<Value> rows;
    for (std::size_t at = 0; at < items->items.size(); at += row_size) {
        const auto end = std::min(items->items.size(), at + row_size);
        std::vector<Value> row(items->items.begin() + static_cast<std::ptrdiff_t>(at),
                               items->items.begin() + static_cast<std::ptrdiff_t>(end));
        if (call.has(1) && !call.at(1).is_none() && row.size() < row_size) {
            WEFT_CHECK(call.meter().work(std::min(row_size, std::size_t{1} << 40) * sizeof(Value)));
            row.resize(row_size, call.at(1));
        }
        WEFT_TRY(Value made, call.render.new_list(std::move(row)));
        rows.push_back(std::move(made));
        if (end == items->items.size()) break;
    }
    return call.render.new_iterator(std::move(rows));
}

Outcome<Value> slice(Call& call) {
    WEFT_TRY(const auto items, iterate(call.render, call.subject));
    WEFT_TRY(const std::int64_t slices, call.integer(0, 1));
    if (slices == 0) return raise("division by zero");
    const auto columns = static_cast<std::size_t>(std::max<std::int64_t>(slices, 0));
    WEFT_CHECK(call.meter().step(columns));
    const std::size_t base = columns ? items->items.size() / columns : 0, longer = columns ? items->items.size() % columns : 0;
    std::vector<Value> out;
    for (std::size_t column = 0, at = 0; column < columns; ++column) {
        const std::size_t count = base + (column < longer ? 1 : 0);
        std::vector<Value> part(items->items.begin() + static_cast<std::ptrdiff_t>(at),
                                items->items.begin() + static_cast<std::ptrdiff_t>(at + count));
        at += count;
        if (call.has(1) && !call.at(1).is_none() && column >= longer) part.push_back(call.at(1));
        WEFT_TRY(Value made, call.render.new_list(std::move(part)));
        out.push_back(std::move(made));
    }
    return call.render.new_iterator(std::move(out));
}

constexpr Builtin sequence_filter_table[] = {
    {"length", "", length},
    {"count", "", length},
    {"first", "", first},
    {"last", "", last},
    {"list", "", list},
    {"join", "d? attribute?", join},
    {"items", "", items},
    {"reverse", "", reverse},
    {"sort", "reverse? case_sensitive? attribute?", sort},
    {"dictsort", "case_sensitive? by? reverse?", dictsort},
    {"unique", "case_sensitive? attribute?", unique},
    {"min", "case_sensitive? attribute?", extreme<false>},
    {"max", "case_sensitive? attribute?", extreme<true>},
    {"sum", "attribute? start?", sum},
    {"batch", "linecount fill_with?", batch},
    {"slice", "slices fill_with?", slice},
};

}  // namespace

BuiltinTable sequence_filters() { return sequence_filter_table; }

}  // namespace weft::jinja
