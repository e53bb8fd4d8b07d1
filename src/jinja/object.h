#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/failure.h"
#include "jinja/value.h"

namespace weft::jinja {

class Render;

// What a call passes, before it meets the parameters of the callee.
struct Arguments {
    std::vector<Value> positional{};
    std::vector<std::pair<std::string, Value>> named{};
};

// A value with behaviour or state: a macro, a namespace, `loop`, a method bound to its value, the result of `map`.
// Belongs to one rendering and its thread.
class Object : public std::enable_shared_from_this<Object> {
  public:
    virtual ~Object() = default;

    [[nodiscard]] virtual std::string_view type_name() const = 0;  // as Python names it, for messages
    [[nodiscard]] virtual std::string repr() const = 0;
    // Levels of containers that hang below this one, so that no chain of objects grows without bound.
    [[nodiscard]] virtual int depth() const { return 1; }

    [[nodiscard]] virtual bool callable() const { return false; }
    [[nodiscard]] virtual Outcome<Value> call(Render& render, const Arguments& arguments);

    [[nodiscard]] virtual std::optional<Value> attribute(std::string_view name);
    // Null when it cannot be iterated.
    [[nodiscard]] virtual Outcome<std::shared_ptr<const Sequence>> iterate() { return nullptr; }
    // -1 when it has no length.
    [[nodiscard]] virtual std::ptrdiff_t length() const { return -1; }
};

}  // namespace weft::jinja
