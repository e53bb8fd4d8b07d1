
#include "jinja/access.h"
#include "base/formatted.h"
#include "jinja/loop_state.h"
#include "jinja/python_text.h"
#include "jinja/render.h"

namespace weft::jinja {

namespace {
// What a scope and its bookkeeping cost, roughly; a template that makes millions is stopped by the meter.
constexpr std::size_t scope_bytes = 256;
}  // namespace

Outcome<Render::Flow> Render::execute(const Body& body) {
    DepthGuard guard(meter_);
    WEFT_CHECK(std::move(guard.entered()));
    for (const Statement& statement : body) {
        WEFT_CHECK(meter_.step());
        line_ = statement.line;
        WEFT_TRY(const Flow flow, std::visit([this](const auto& node) { return run(node); }, statement.node));
        if (flow != Flow::normal) return flow;
    }
    return Flow::normal;
}

Outcome<Render::Flow> Render::execute_scoped(const Body& body) {
    WEFT_CHECK(meter_.work(scope_bytes));
    const auto guard = enter(std::make_shared<Scope>(scope_));
    return execute(body);
}

Outcome<void> Render::write(std::string_view text) {
    WEFT_CHECK(meter_.work(text.size()));
    WEFT_CHECK(meter_.output(out_->size() + text.size()));
    *out_ += text;
    return {};
}

Outcome<Render::Flow> Render::run(const TextOutput& node) {
    WEFT_CHECK(write(node.text));
    return Flow::normal;
}

Outcome<Render::Flow> Render::run(const Print& node) {
    WEFT_TRY(const Value value, evaluate(*node.value));
    WEFT_CHECK(append_str(meter_, *out_, value));
    return Flow::normal;
}

Outcome<Render::Flow> Render::run(const If& node) {
    for (const auto& [condition, body] : node.branches) {
        WEFT_TRY(const Value value, evaluate(*condition));
        if (value.truthy()) return execute(body);
    }
    return execute(node.otherwise);
}

Outcome<Render::Flow> Render::run(const For& node) {
    WEFT_TRY(const Value items, evaluate(*node.items));
    return run_loop(node, items, 0);
}

Outcome<Render::Flow> Render::run_loop(const For& node, const Value& items, int depth0) {
    WEFT_CHECK(meter_.work(scope_bytes));
    const auto outer = scope_;
    const auto scope = std::make_shared<Scope>(outer);
    std::shared_ptr<const Sequence> sequence;
    {
        const auto guard = enter(scope);
        WEFT_TRY(sequence, loop_items(node, items, *scope));
        if (!sequence->items.empty()) return run_iterations(node, std::move(sequence), outer, *scope, depth0);
    }
    return execute_scoped(node.otherwise);
}

// What the loop walks over, less what its own `if` leaves out.
Outcome<std::shared_ptr<const Sequence>> Render::loop_items(const For& node, const Value& items, Scope& scope) {
    WEFT_TRY(auto all, iterate(*this, items));
    if (!node.filter) return all;
    std::vector<Value> kept;
    scope.set(node.loop, Value::undefined("'loop' is undefined"));
    for (const Value& item : all->items) {
        WEFT_CHECK(assign(node.target, item));
        WEFT_TRY(const Value keep, evaluate(*node.filter));
        if (keep.truthy()) kept.push_back(item);
    }
    return new_list(std::move(kept)).transform([](const Value& list) { return list.sequence_ref(); });
}

Outcome<Render::Flow> Render::run_iterations(const For& node, std::shared_ptr<const Sequence> items,
                                             const std::shared_ptr<Scope>& outer, Scope& scope, int depth0) {
    const auto state = std::make_shared<LoopState>(node, items, outer, depth0);
    WEFT_TRY(const Value loop, new_object(state));
    for (std::size_t i = 0; i < items->items.size(); ++i) {
        WEFT_CHECK(meter_.step());
        state->move_to(i);
        scope.clear();  // one scope for all rounds: a macro defined in the first sees the variables of the last
        scope.set(node.loop, loop);
        WEFT_CHECK(assign(node.target, items->items[i]));
        WEFT_TRY(const Flow flow, execute(node.body));
        if (flow == Flow::break_loop) break;
    }
    return Flow::normal;
}

Outcome<Value> Render::run_recursive_loop(const For& node, const Value& items, const std::shared_ptr<Scope>& outer,
                                          int depth0) {
    const auto guard = enter(outer);
    std::string text;
    std::string* const before = std::exchange(out_, &text);
    auto flow = run_loop(node, items, depth0);
    out_ = before;
    if (!flow) return std::unexpected(std::move(flow).error());
    return new_text(std::move(text));
}

Outcome<std::pair<Render::Flow, std::string>> Render::capture_flow(const Body& body) {
    std::string text;
    std::string* const before = std::exchange(out_, &text);
    auto flow = execute(body);
    out_ = before;
    if (!flow) return std::unexpected(std::move(flow).error());
    return std::pair(*flow, std::move(text));
}

Outcome<Value> Render::capture(const Body& body) {
    WEFT_TRY(auto captured, capture_flow(body));
    return new_text(std::move(captured.second));
}

Outcome<Render::Flow> Render::run(const Set& node) {
    WEFT_TRY(Value value, evaluate(*node.value));
    WEFT_CHECK(assign(node.target, std::move(value)));
    return Flow::normal;
}

Outcome<Value> Render::apply_filter_chain(const Expression& filter, Value subject) {
    auto outer = std::exchange(block_text_, std::move(subject));
    auto result = evaluate(filter);
    block_text_ = std::move(outer);
    return result;
}

Outcome<Render::Flow> Render::run(const SetBlock& node) {
    Flow flow{};
    Value value;
    {
        const auto guard = enter(std::make_shared<Scope>(scope_));
        WEFT_TRY(auto captured, capture_flow(node.body));
        flow = captured.first;
        WEFT_TRY(value, new_text(std::move(captured.second)));
        if (node.filter) {
            WEFT_TRY(value, apply_filter_chain(*node.filter, std::move(value)));
        }
    }
    if (flow == Flow::normal) WEFT_CHECK(assign(node.target, std::move(value)));
    return flow;
}

Outcome<Render::Flow> Render::run(const FilterBlock& node) {
    const auto guard = enter(std::make_shared<Scope>(scope_));
    WEFT_TRY(auto captured, capture_flow(node.body));
    if (captured.first != Flow::normal) return captured.first;
    WEFT_TRY(Value text, new_text(std::move(captured.second)));
    WEFT_TRY(const Value filtered, apply_filter_chain(*node.filter, std::move(text)));
    WEFT_CHECK(append_str(meter_, *out_, filtered));
    return Flow::normal;
}

Outcome<Value> Render::make_macro(const std::shared_ptr<const MacroDefinition>& definition) {
    WEFT_CHECK(meter_.work(scope_bytes));
    if (!std::exchange(scope_->captured, true)) captured_scopes_.push_back(scope_);
    return Value::object(std::make_shared<Macro>(definition, scope_));
}

Outcome<Render::Flow> Render::run(const MacroStatement& node) {
    WEFT_TRY(Value macro, make_macro(node.definition));
    scope_->set(node.symbol, std::move(macro));
    return Flow::normal;
}

Outcome<Render::Flow> Render::run(const CallBlock& node) {
    WEFT_TRY(Value caller, make_macro(node.caller));
    Arguments extra;
    extra.named.emplace_back("caller", std::move(caller));
    WEFT_TRY(const Value text, call_with(std::get<CallExpression>(node.call->node), std::move(extra)));
    WEFT_CHECK(append_str(meter_, *out_, text));
    return Flow::normal;
}

Outcome<Render::Flow> Render::run(const With& node) {
    WEFT_CHECK(meter_.work(scope_bytes));
    std::vector<Value> values;
    for (const auto& [target, expression] : node.variables) {
        WEFT_TRY(Value value, evaluate(*expression));  // in the scope outside: one variable does not see the other
        values.push_back(std::move(value));
    }
    const auto guard = enter(std::make_shared<Scope>(scope_));
    for (std::size_t i = 0; i < values.size(); ++i)
        WEFT_CHECK(assign(node.variables[i].first, std::move(values[i])));
    return execute(node.body);
}

Outcome<void> Render::assign(const Target& target, Value value) {
    if (const auto* attribute = std::get_if<Target::Attribute>(&target.place))
        return set_attribute(*attribute, std::move(value));
    if (const auto* targets = std::get_if<std::vector<Target>>(&target.place)) return unpack(*targets, value);
    scope_->set(std::get<Symbol>(target.place), std::move(value));
    return {};
}

Outcome<void> Render::unpack(const std::vector<Target>& targets, const Value& value) {
    WEFT_TRY(const auto items, iterate(*this, value));
    if (items->items.size() != targets.size())
        return raise(formatted("expected {} values to unpack, got {}", targets.size(), items->items.size()));
    for (std::size_t i = 0; i < targets.size(); ++i) WEFT_CHECK(assign(targets[i], items->items[i]));
    return {};
}

Outcome<void> Render::set_attribute(const Target::Attribute& target, Value value) {
    const Value* local = scope_->find(target.object);
    const Value& object = local ? *local : global(target.object);
    auto* space = object.kind() == Kind::object ? dynamic_cast<Namespace*>(object.as_object().get()) : nullptr;
    if (!space) return raise("cannot assign attribute on non-namespace object");
    WEFT_CHECK(meter_.work(target.name.size() + sizeof(Value)));
    space->set(target.name, std::move(value));
    return {};
}

}  // namespace weft::jinja
