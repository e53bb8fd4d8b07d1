#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "jinja/ast.h"
#include "jinja/builtin.h"
#include "jinja/meter.h"
#include "jinja/scope.h"
#include "jinja/stateful.h"

namespace weft::jinja {

// One rendering: walks the syntax tree, holds variables, output and what has been spent. Used once, by one thread.
class Render {
  public:
    using WallTime = std::chrono::system_clock::time_point;

    Render(const Syntax& syntax, const Value& variables, const Budget& budget, WallTime now);
    ~Render();
    Render(const Render&) = delete;
    Render& operator=(const Render&) = delete;

    [[nodiscard]] Outcome<std::string> run();
    // Where it stopped, after a failure.
    [[nodiscard]] int line() const { return line_; }

    // For builtins, macros and loops.
    [[nodiscard]] Meter& meter() { return meter_; }
    [[nodiscard]] WallTime now() const { return now_; }
    [[nodiscard]] Outcome<Value> evaluate(const Expression& expression);
    [[nodiscard]] Outcome<Value> call(const Value& callee, const Arguments& arguments);
    [[nodiscard]] Outcome<Value> capture(const Body& body);  // what the body writes, as text
    [[nodiscard]] Outcome<Value> run_recursive_loop(const For& node, const Value& items,
                                                    const std::shared_ptr<Scope>& outer, int depth0);

    // New values, charged for and checked against max_value_depth.
    [[nodiscard]] Outcome<Value> new_text(std::string text, bool markup = false);
    [[nodiscard]] Outcome<Value> new_sequence(Sequence sequence);
    [[nodiscard]] Outcome<Value> new_list(std::vector<Value> items) { return new_sequence({SequenceType::list, std::move(items)}); }
    [[nodiscard]] Outcome<Value> new_dict(Dict dict);
    [[nodiscard]] Outcome<Value> new_iterator(std::vector<Value> items);
    [[nodiscard]] Outcome<Value> new_object(std::shared_ptr<Object> object);
    [[nodiscard]] Outcome<Value> new_namespace(std::shared_ptr<Namespace> made);

    // Puts a scope in force until the returned guard dies.
    class ScopeGuard {
      public:
        ScopeGuard(Render& render, std::shared_ptr<Scope> scope)
            : render_(render), outer_(std::exchange(render.scope_, std::move(scope))) {}
        ~ScopeGuard() { render_.scope_ = std::move(outer_); }
        ScopeGuard(const ScopeGuard&) = delete;
        ScopeGuard& operator=(const ScopeGuard&) = delete;

      private:
        Render& render_;
        std::shared_ptr<Scope> outer_;
    };
    [[nodiscard]] ScopeGuard enter(std::shared_ptr<Scope> scope) { return ScopeGuard(*this, std::move(scope)); }

  private:
    enum class Flow : std::uint8_t { normal, break_loop, continue_loop };

    // Statements.
    Outcome<Flow> execute(const Body& body);
    Outcome<Flow> execute_scoped(const Body& body);
    Outcome<Flow> run(const TextOutput& node);
    Outcome<Flow> run(const Print& node);
    Outcome<Flow> run(const If& node);
    Outcome<Flow> run(const For& node);
    Outcome<Flow> run(const Set& node);
    Outcome<Flow> run(const SetBlock& node);
    Outcome<Flow> run(const MacroStatement& node);
    Outcome<Flow> run(const CallBlock& node);
    Outcome<Flow> run(const FilterBlock& node);
    Outcome<Flow> run(const With& node);
    Outcome<Flow> run(const Inline& node) { return execute(node.body); }
    Outcome<Flow> run(const Break&) { return Flow::break_loop; }
    Outcome<Flow> run(const Continue&) { return Flow::continue_loop; }

    Outcome<Flow> run_loop(const For& node, const Value& items, int depth0);
    Outcome<std::shared_ptr<const Sequence>> loop_items(const For& node, const Value& items, Scope& scope);
    Outcome<Flow> run_iterations(const For& node, std::shared_ptr<const Sequence> items, const std::shared_ptr<Scope>& outer,
                                 Scope& scope, int depth0);
    Outcome<std::pair<Flow, std::string>> capture_flow(const Body& body);
    Outcome<void> assign(const Target& target, Value value);
    Outcome<void> unpack(const std::vector<Target>& targets, const Value& value);
    Outcome<void> set_attribute(const Target::Attribute& target, Value value);
    Outcome<Value> make_macro(const std::shared_ptr<const MacroDefinition>& definition);
    Outcome<Value> apply_filter_chain(const Expression& filter, Value subject);
    Outcome<void> write(std::string_view text);

    // Expressions.
    Outcome<Value> value_of(const Literal& node) { return node.value; }
    Outcome<Value> value_of(const NameRead& node);
    Outcome<Value> value_of(const ListDisplay& node);
    Outcome<Value> value_of(const TupleDisplay& node);
    Outcome<Value> value_of(const DictDisplay& node);
    Outcome<Value> value_of(const AttributeRead& node);
    Outcome<Value> value_of(const ItemRead& node);
    Outcome<Value> value_of(const SliceRead& node);
    Outcome<Value> value_of(const CallExpression& node);
    Outcome<Value> value_of(const FilterUse& node);
    Outcome<Value> value_of(const TestUse& node);
    Outcome<Value> value_of(const Negation& node);
    Outcome<Value> value_of(const Plus& node);
    Outcome<Value> value_of(const Not& node);
    Outcome<Value> value_of(const And& node);
    Outcome<Value> value_of(const Or& node);
    Outcome<Value> value_of(const Arithmetic& node);
    Outcome<Value> value_of(const Concatenation& node);
    Outcome<Value> value_of(const CompareChain& node);
    Outcome<Value> value_of(const Conditional& node);

    Outcome<std::vector<Value>> evaluate_all(const Expressions& expressions);
    Outcome<Arguments> evaluate(const CallArguments& arguments);
    Outcome<void> spread_into(Arguments& arguments, const CallArguments& given);
    Outcome<Value> call_with(const CallExpression& node, Arguments extra);
    const Value& global(Symbol symbol);

    const Syntax& syntax_;
    const Value variables_;
    const WallTime now_;
    Meter meter_;
    std::vector<std::optional<Value>> globals_;  // by Symbol: caller's variable, builtin or undefined; filled on first use
    std::shared_ptr<Scope> scope_;
    std::string output_;
    std::string* out_ = &output_;  // where text goes now: output_, or the buffer of a macro or set block
    std::optional<Value> block_text_;  // the subject of a filter without one
    int line_ = 1;

    // Both may take part in cycles of shared pointers, so they are emptied at the end.
    std::vector<std::shared_ptr<Namespace>> namespaces_;
    std::vector<std::shared_ptr<Scope>> captured_scopes_;
};

}  // namespace weft::jinja
