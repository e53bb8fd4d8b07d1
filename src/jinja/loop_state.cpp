#include "jinja/loop_state.h"


#include "base/formatted.h"
#include "jinja/builtin.h"
#include "jinja/operators.h"
#include "jinja/render.h"

namespace weft::jinja {

std::string LoopState::repr() const { return formatted("<LoopContext {}/{}>", index0_ + 1, items_->items.size()); }

std::optional<Value> LoopState::attribute(std::string_view name) {
    const auto& items = items_->items;
    const auto number = [](std::size_t n) { return Value::integer(static_cast<std::int64_t>(n)); };
    if (name == "index") return number(index0_ + 1);
    if (name == "index0") return number(index0_);
    if (name == "first") return Value::boolean(index0_ == 0);
    if (name == "last") return Value::boolean(index0_ + 1 >= items.size());
    if (name == "length") return number(items.size());
    if (name == "revindex") return number(items.size() - index0_);
    if (name == "revindex0") return number(items.size() - index0_ - 1);
    if (name == "depth") return Value::integer(depth0_ + 1);
    if (name == "depth0") return Value::integer(depth0_);
    if (name == "previtem") return index0_ > 0 ? items[index0_ - 1] : Value::undefined("there is no previous item");
    if (name == "nextitem")
        return index0_ + 1 < items.size() ? items[index0_ + 1] : Value::undefined("there is no next item");
    return std::nullopt;
}

Outcome<Value> LoopState::call(Render& render, const Arguments& arguments) {
    if (!node_.recursive) return raise("The loop must have the 'recursive' marker to be called recursively.");
    if (arguments.positional.size() != 1 || !arguments.named.empty()) return raise("loop() takes one iterable");
    const auto outer = outer_.lock();
    if (!outer) return raise("loop() was called after its loop ended");
    return render.run_recursive_loop(node_, arguments.positional.front(), outer, depth0_ + 1);
}

bool LoopState::changed(const std::vector<Value>& values) {
    Value now = Value::tuple(values);
    if (last_values_ && equal(*last_values_, now)) return false;
    last_values_ = std::move(now);
    return true;
}

namespace {

LoopState& loop_of(const Call& call) { return static_cast<LoopState&>(*call.subject.as_object()); }

Outcome<Value> cycle(Call& call) {
    const auto& values = call.given.positional;
    if (values.empty()) return raise("no items for cycling given");
    return values[loop_of(call).index0() % values.size()];
}

Outcome<Value> changed(Call& call) {
    WEFT_TRY(const Value values, call.render.new_sequence({SequenceType::tuple, call.given.positional}));
    WEFT_CHECK(call.meter().work(values.weight()));
    return Value::boolean(loop_of(call).changed(call.given.positional));
}

constexpr Builtin loop_method_table[] = {{"cycle", "*", cycle}, {"changed", "*", changed}};

}  // namespace

BuiltinTable loop_methods() { return loop_method_table; }

}  // namespace weft::jinja
