#pragma once

#include <vector>

#include "jinja/failure.h"
#include "jinja/value.h"

namespace weft::jinja {

class Render;

// The argument `attribute` of many filters: "name", "outer.inner", "items.0", a number; nothing means the item itself.
class AttributePath {
  public:
    // null or none: no attribute.
    explicit AttributePath(const Value* attribute);
    // "a,b" names several, as sort takes them.
    [[nodiscard]] static std::vector<AttributePath> list_of(const Value* attribute);

    // fallback stands in for whatever is undefined on the way; null: nothing does.
    [[nodiscard]] Outcome<Value> read(Render& render, Value item, const Value* fallback = nullptr) const;

  private:
    std::vector<Value> parts_;
};

// Text in lower case unless case matters; everything else as it is.
[[nodiscard]] Value fold_case(const Value& value, bool case_sensitive);

}  // namespace weft::jinja
