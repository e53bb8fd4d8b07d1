#include <algorithm>
#include <cmath>
#include <numeric>

#include "jinja/object.h"
#include "base/formatted.h"
#include "jinja/operators.h"
#include "jinja/python_text.h"
#include "jinja/unicode.h"

namespace weft::jinja {

namespace {

bool equal_numbers(const Value& a, const Value& b) {
    if (a.is_integral() && b.is_integral()) return a.as_integer() == b.as_integer();
    return a.as_real() == b.as_real();
}

bool equal_dicts(const Dict& a, const Dict& b) {
    if (&a == &b) return true;
    if (a.size() != b.size()) return false;
    return std::ranges::all_of(a.entries(), [&](const Dict::Entry& entry) {
        const Value* other = b.find(entry.first);
        return other && equal(entry.second, *other);
    });
}

bool equal_sequences(const Sequence& a, const Sequence& b) {
    if (&a == &b) return true;
    if (a.type != b.type || a.type == SequenceType::dict_values) return false;
    return std::ranges::equal(a.items, b.items, [](const Value& x, const Value& y) { return equal(x, y); });
}

std::unexpected<Failure> unordered(std::string_view symbol, const Value& a, const Value& b) {
    for (const Value* side : {&a, &b})
        if (side->is_undefined()) return raise(side->undefined_hint());
    return raise(formatted("'{}' not supported between instances of '{}' and '{}'", symbol, type_name(a),
                             type_name(b)));
}

bool less_number(const Value& a, const Value& b) {
    if (a.is_integral() && b.is_integral()) return a.as_integer() < b.as_integer();
    return a.as_real() < b.as_real();
}

bool have_an_order(const Value& a, const Value& b) {
    if (a.is_number() && b.is_number()) return true;
    if (a.is_string() && b.is_string()) return true;
    return a.is_sequence() && b.is_sequence() && a.as_sequence().type == b.as_sequence().type &&
           a.as_sequence().type <= SequenceType::tuple;
}

Outcome<bool> less_as(std::string_view symbol, const Value& a, const Value& b) {
    if (!have_an_order(a, b)) return unordered(symbol, a, b);
    if (a.is_number()) return less_number(a, b);
    if (a.is_string()) return a.as_string() < b.as_string();  // UTF-8 sorts like code points
    const auto& left = a.as_sequence().items;
    const auto& right = b.as_sequence().items;
    const auto [x, y] = std::ranges::mismatch(left, right, [](const Value& l, const Value& r) { return equal(l, r); });
    if (x == left.end() || y == right.end()) return left.size() < right.size();
    return less_as(symbol, *x, *y);
}

// a <= b is not "not b < a" when a number is NaN.
Outcome<bool> less_or_equal_as(std::string_view symbol, const Value& a, const Value& b) {
    if (have_an_order(a, b) && a.is_number() && (std::isnan(a.as_real()) || std::isnan(b.as_real()))) return false;
    return less_as(symbol, b, a).transform([](bool greater) { return !greater; });
}

Outcome<bool> text_contains(const Value& text, const Value& part) {
    if (!part.is_string())
        return raise(formatted("'in <string>' requires string as left operand, not {}", type_name(part)));
    return find_text(text.as_string(), part.as_string()) != std::string_view::npos;
}

bool any_equal(const std::vector<Value>& items, const Value& wanted) {
    return std::ranges::any_of(items, [&](const Value& item) { return equal(item, wanted); });
}

}  // namespace

bool equal(const Value& a, const Value& b) {
    if (a.is_number() && b.is_number()) return equal_numbers(a, b);
    if (a.kind() != b.kind()) return false;
    switch (a.kind()) {
        case Kind::string: return a.as_string() == b.as_string();
        case Kind::sequence: return equal_sequences(a.as_sequence(), b.as_sequence());
        case Kind::dict: return equal_dicts(a.as_dict(), b.as_dict());
        case Kind::object: return a.as_object() == b.as_object();
        default: return true;  // none, undefined
    }
}

Outcome<bool> less(const Value& a, const Value& b) { return less_as("<", a, b); }

Outcome<bool> contains(Meter& meter, const Value& container, const Value& item) {
    WEFT_CHECK(meter.work(container.is_dict() ? item.weight() : container.weight()));
    switch (container.kind()) {
        case Kind::undefined: return false;
        case Kind::string: return text_contains(container, item);
        case Kind::sequence: return any_equal(container.as_sequence().items, item);
        case Kind::dict:
            WEFT_CHECK(require_hashable(item));
            return container.as_dict().find(item) != nullptr;
        case Kind::object: {
            WEFT_TRY(const auto items, container.as_object()->iterate());
            if (items) return any_equal(items->items, item);
            break;
        }
        default: break;
    }
    return raise(formatted("argument of type '{}' is not a container or iterable", type_name(container)));
}

Outcome<bool> compare(Meter& meter, Comparison comparison, const Value& a, const Value& b) {
    if (comparison == Comparison::in) return contains(meter, b, a);
    if (comparison == Comparison::not_in) return contains(meter, b, a).transform(std::logical_not<>{});
    WEFT_CHECK(meter.work(std::min(a.weight(), b.weight())));
    const auto symbol = symbol_of(comparison);
    switch (comparison) {
        case Comparison::equal: return equal(a, b);
        case Comparison::not_equal: return !equal(a, b);
        case Comparison::less: return less_as(symbol, a, b);
        case Comparison::greater:
            if (!have_an_order(a, b)) return unordered(symbol, a, b);
            return less_as(symbol, b, a);
        case Comparison::less_equal: 
            if (!have_an_order(a, b)) return unordered(symbol, a, b);
            return less_or_equal_as(symbol, a, b);
        default:
            if (!have_an_order(a, b)) return unordered(symbol, a, b);
            return less_or_equal_as(symbol, b, a);
    }
}

// A merge sort of our own: the order may fail for any pair, which std::stable_sort has no way to say.
Outcome<std::vector<std::size_t>> sorted_order(const std::vector<Value>& keys, bool reverse) {
    std::vector<std::size_t> order(keys.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::vector<std::size_t> merged(keys.size());
    for (std::size_t width = 1; width < keys.size(); width *= 2) {
        for (std::size_t begin = 0; begin < keys.size(); begin += 2 * width) {
            std::size_t left = begin, right = std::min(begin + width, keys.size());
            const std::size_t middle = right, end = std::min(begin + 2 * width, keys.size());
            for (std::size_t out = begin; out < end; ++out) {
                bool take_right = left == middle;
                if (!take_right && right < end) {
                    const Value& l = keys[order[left]];
                    const Value& r = keys[order[right]];
                    WEFT_TRY(take_right, reverse ? less(l, r) : less(r, l));
                }
                merged[out] = take_right ? order[right++] : order[left++];
            }
        }
        order.swap(merged);
    }
    return order;
}

std::string_view symbol_of(Comparison comparison) {
    switch (comparison) {
        case Comparison::equal: return "==";
        case Comparison::not_equal: return "!=";
        case Comparison::less: return "<";
        case Comparison::less_equal: return "<=";
        case Comparison::greater: return ">";
        case Comparison::greater_equal: return ">=";
        case Comparison::in: return "in";
        case Comparison::not_in: return "not in";
    }
    return "";
}

}  // namespace weft::jinja
