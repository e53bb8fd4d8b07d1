#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "jinja/failure.h"
#include "jinja/value.h"

namespace weft::jinja {

class Render;

// object.name: a method or attribute, else an entry. Undefined, with a hint, when there is neither; methods that would
// change a list or dict count as absent, as in Jinja's immutable sandbox.
[[nodiscard]] Outcome<Value> get_attribute(Render& render, const Value& object, std::string_view name);
// object[key]: an entry or element, else a method or attribute.
[[nodiscard]] Outcome<Value> get_item(Render& render, const Value& object, const Value& key);
// The attribute alone, for the filter attr.
[[nodiscard]] std::optional<Value> find_attribute(const Value& object, std::string_view name);

// object[start:stop:step] on code points or elements; a bound that is none was left out.
struct SliceBounds {
    Value start, stop, step;
};
[[nodiscard]] Outcome<Value> get_slice(Render& render, const Value& object, const SliceBounds& bounds);

// What a for loop walks over: elements, keys of a dict, characters of a text. Fails for what is not iterable.
[[nodiscard]] Outcome<std::shared_ptr<const Sequence>> iterate(Render& render, const Value& value);
// len(value).
[[nodiscard]] Outcome<std::int64_t> length_of(const Value& value);

}  // namespace weft::jinja
