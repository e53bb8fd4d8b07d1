#pragma once

#include <string_view>
#include <vector>

#include "jinja/failure.h"
#include "jinja/meter.h"
#include "jinja/value.h"

namespace weft::jinja {

enum class BinaryOperator { add, subtract, multiply, divide, floor_divide, modulo, power };
enum class Comparison { equal, not_equal, less, less_equal, greater, greater_equal, in, not_in };

// Python's ==: numbers across types, containers by content, objects by identity. The caller has charged the weight.
[[nodiscard]] bool equal(const Value& a, const Value& b);
// Python's <; fails for types without an order.
[[nodiscard]] Outcome<bool> less(const Value& a, const Value& b);
// All comparisons, metered.
[[nodiscard]] Outcome<bool> compare(Meter& meter, Comparison comparison, const Value& a, const Value& b);
// item in container.
[[nodiscard]] Outcome<bool> contains(Meter& meter, const Value& container, const Value& item);

// The places of keys in sorted order, stable.
[[nodiscard]] Outcome<std::vector<std::size_t>> sorted_order(const std::vector<Value>& keys, bool reverse);

// Arithmetic as Python does it on 64-bit integers; a result that needs more is a failure.
[[nodiscard]] Outcome<Value> apply(Meter& meter, BinaryOperator op, const Value& a, const Value& b);
[[nodiscard]] Outcome<Value> negate(const Value& value);

[[nodiscard]] std::string_view symbol_of(BinaryOperator op);
[[nodiscard]] std::string_view symbol_of(Comparison comparison);

}  // namespace weft::jinja
