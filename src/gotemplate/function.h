#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string_view>

#include "base/error.h"
#include "gotemplate/budget.h"
#include "gotemplate/value.h"

namespace weft::gotemplate {

// What a function may look at beside its arguments.
struct CallContext {
    Meter& meter;
    std::chrono::system_clock::time_point now;
};

// One function that templates can call. `and` and `or` are not among those that run here: they do not evaluate all of
// their arguments, so the renderer does them itself.
struct Function {
    enum class Special : std::uint8_t { none, and_, or_ };
    std::string_view name;
    std::size_t least;
    std::size_t most;
    Result<Value> (*run)(const CallContext&, std::span<const Value>);
    Special special = Special::none;
};

// Null when there is none of this name.
[[nodiscard]] const Function* find_function(std::string_view name);

// fmt.Sprintf. Bounded by the meter.
[[nodiscard]] Result<Value> print_formatted(const CallContext& context, std::span<const Value> arguments);

}  // namespace weft::gotemplate
