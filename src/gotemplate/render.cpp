#include "gotemplate/render.h"

#include <algorithm>
#include <ranges>

#include "base/formatted.h"
#include "gotemplate/function.h"
#include "gotemplate/lexer.h"

namespace weft::gotemplate {
namespace {

// How a list of nodes ended.
enum class Flow : std::uint8_t { next, break_, continue_ };

class Renderer {
  public:
    Renderer(const Syntax& syntax, Meter& meter, const RenderOptions& options)
        : syntax_(syntax), options_(options), meter_(meter), context_{meter, options.now} {}

    Result<std::string> run(const Value& data) {
        variables_.push_back({.name = "", .value = data});
        WEFT_CHECK(walk(syntax_.templates.at(""), data));
        return std::move(out_);
    }

  private:
    struct Variable {
        std::string_view name;  // borrowed from the syntax; empty is $
        Value value;
    };

    // Variables that a block declares end with it.
    class Scope {
      public:
        explicit Scope(std::vector<Variable>& variables) : variables_(variables), size_(variables.size()) {}
        ~Scope() { variables_.erase(variables_.begin() + static_cast<std::ptrdiff_t>(size_), variables_.end()); }
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;

      private:
        std::vector<Variable>& variables_;
        std::size_t size_;
    };

    // ---- nodes ----
    Result<Flow> walk(const Nodes& nodes, const Value& dot) {
        const DepthGuard guard(meter_);
        WEFT_CHECK(guard.entered());
        for (const auto& node : nodes) {
            if (!in_called_ && node.offset > options_.stop_after) break;
            WEFT_CHECK(meter_.step());
            auto flow = visit(node, dot);
            if (!flow) return std::unexpected(placed(std::move(flow).error(), node.line));
            if (*flow != Flow::next) return *flow;
        }
        return Flow::next;
    }

    // The innermost node that failed says in which line.
    static Error placed(Error error, std::uint32_t line) {
        if (!error.message.starts_with("template error:")) error.message = fail_at(line, error.message).error().message;
        return error;
    }

    Result<Flow> visit(const Node& node, const Value& dot) {
        switch (node.kind) {
            case Node::Kind::text: return put(node.text);
            case Node::Kind::action: return act(node, dot);
            case Node::Kind::if_:
            case Node::Kind::with: return branch(node, dot);
            case Node::Kind::range: return loop(node, dot);
            case Node::Kind::break_: return Flow::break_;
            case Node::Kind::continue_: return Flow::continue_;
            case Node::Kind::call: return call_template(node, dot);
        }
        return Flow::next;
    }

    Result<Flow> put(std::string_view text) {
        WEFT_CHECK(meter_.work(text.size()));
        out_ += text;
        WEFT_CHECK(meter_.output(out_.size()));
        return Flow::next;
    }

    Result<Flow> act(const Node& node, const Value& dot) {
        WEFT_TRY(const auto value, evaluate(*node.pipe, dot));
        if (!node.pipe->variables.empty()) return Flow::next;
        if (value.is_string()) return put(value.as_string());
        std::string text;
        value.print(text);
        return put(text);
    }

    Result<Flow> branch(const Node& node, const Value& dot) {
        const Scope scope(variables_);
        WEFT_TRY(const auto value, evaluate(*node.pipe, dot));
        if (!value.truthy()) return walk(node.otherwise, dot);
        return walk(node.body, node.kind == Node::Kind::with ? value : dot);
    }

    Result<Flow> loop(const Node& node, const Value& dot) {
        const Scope scope(variables_);
        WEFT_TRY(const auto over, evaluate_commands(*node.pipe, dot));
        bool any = false;
        auto finished = over_elements(over, [&](const Value& key, const Value& element) -> Result<Flow> {
            any = true;
            return one_round(node, key, element);
        });
        WEFT_CHECK(finished);
        if (!any) return walk(node.otherwise, dot);
        return Flow::next;
    }

    template <typename Round>
    Result<void> over_elements(const Value& over, Round round) {
        const auto go_on = [&](const Value& key, const Value& element) -> Result<bool> {
            WEFT_CHECK(meter_.step());
            WEFT_TRY(const auto flow, round(key, element));
            return flow != Flow::break_;
        };
        switch (over.kind()) {
            case Kind::none: return {};
            case Kind::list:
                for (std::int64_t i = 0; const auto& item : over.as_list().items) {
                    WEFT_TRY(const bool more, go_on(Value::integer(i++), item));
                    if (!more) break;
                }
                return {};
            case Kind::map:
                for (const auto& [key, item] : over.as_map().entries) {
                    WEFT_TRY(const bool more, go_on(Value::string(key), item));
                    if (!more) break;
                }
                return {};
            case Kind::integer:
                for (std::int64_t i = 0; i < over.as_integer(); ++i) {
                    WEFT_TRY(const bool more, go_on(Value::integer(i), Value::integer(i)));
                    if (!more) break;
                }
                return {};
            default: return fail(ErrorCode::invalid_request, "range can't iterate over this value");
        }
    }

    Result<Flow> one_round(const Node& node, const Value& key, const Value& element) {
        const Scope scope(variables_);
        const auto& names = node.pipe->variables;
        if (names.size() == 1) put_variable(*node.pipe, names[0], element);
        if (names.size() == 2) {
            put_variable(*node.pipe, names[0], key);
            put_variable(*node.pipe, names[1], element);
        }
        return walk(node.body, element);
    }

    Result<Flow> call_template(const Node& node, const Value& dot) {
        const auto at = syntax_.templates.find(node.text);
        if (at == syntax_.templates.end())
            return fail(ErrorCode::invalid_request, formatted("template \"{}\" not defined", node.text));
        Value argument;
        if (node.pipe) {
            WEFT_TRY(argument, evaluate(*node.pipe, dot));
        }
        auto outer = std::exchange(variables_, {});
        variables_.push_back({.name = "", .value = argument});
        const bool was_called = std::exchange(in_called_, true);
        auto flow = walk(at->second, argument);
        in_called_ = was_called;
        variables_ = std::move(outer);
        WEFT_CHECK(flow);
        return Flow::next;
    }

    // ---- pipelines ----
    Result<Value> evaluate(const Pipe& pipe, const Value& dot) {
        WEFT_TRY(auto value, evaluate_commands(pipe, dot));
        for (const auto& name : pipe.variables) put_variable(pipe, name, value);
        return value;
    }

    void put_variable(const Pipe& pipe, std::string_view name, const Value& value) {
        if (!pipe.assigns) return variables_.push_back({.name = name, .value = value});
        for (auto& variable : variables_ | std::views::reverse)
            if (variable.name == name) {
                variable.value = value;
                return;
            }
    }

    Result<Value> evaluate_commands(const Pipe& pipe, const Value& dot) {
        const DepthGuard guard(meter_);
        WEFT_CHECK(guard.entered());
        Value value;
        bool piped = false;
        for (const auto& command : pipe.commands) {
            WEFT_TRY(value, evaluate(command, dot, piped ? &value : nullptr));
            piped = true;
        }
        return value;
    }

    // piped: what the command before gave, the last argument.
    Result<Value> evaluate(const Command& command, const Value& dot, const Value* piped) {
        const auto& head = command.operands.front();
        if (head.kind != Operand::Kind::function) return evaluate(head, dot);
        const auto& function = *head.function;
        const auto count = command.operands.size() - 1 + (piped ? 1 : 0);
        if (count < function.least || count > function.most)
            return fail(ErrorCode::invalid_request, formatted("wrong number of arguments for {}: {}", function.name, count));
        if (function.special != Function::Special::none) return short_circuit(command, dot, piped);
        std::vector<Value> arguments;
        for (const auto& operand : command.operands | std::views::drop(1)) {
            WEFT_TRY(auto value, evaluate(operand, dot));
            arguments.push_back(std::move(value));
        }
        if (piped) arguments.push_back(*piped);
        return function.run(context_, arguments);
    }

    Result<Value> short_circuit(const Command& command, const Value& dot, const Value* piped) {
        const bool stops_at = command.operands.front().function->special == Function::Special::or_;
        Value value;
        for (const auto& operand : command.operands | std::views::drop(1)) {
            WEFT_TRY(value, evaluate(operand, dot));
            if (value.truthy() == stops_at) return value;
        }
        return piped ? *piped : value;
    }

    Result<Value> evaluate(const Operand& operand, const Value& dot) {
        WEFT_CHECK(meter_.step());
        switch (operand.kind) {
            case Operand::Kind::constant: return operand.constant;
            case Operand::Kind::dot: return follow(dot, operand.fields);
            case Operand::Kind::variable: return follow(variable(operand.name), operand.fields);
            case Operand::Kind::pipe: {
                WEFT_TRY(const auto value, evaluate(*operand.pipe, dot));
                return follow(value, operand.fields);
            }
            case Operand::Kind::function: {
                const auto& function = *operand.function;
                if (function.least > 0)
                    return fail(ErrorCode::invalid_request, formatted("wrong number of arguments for {}: 0", function.name));
                return function.run(context_, {});
            }
        }
        return Value();
    }

    Value variable(std::string_view name) const {
        for (const auto& variable : variables_ | std::views::reverse)
            if (variable.name == name) return variable.value;
        return {};
    }

    // Missing keys are nil, and so are the fields of nil.
    Result<Value> follow(Value value, const std::vector<std::string>& fields) {
        for (const auto& name : fields) {
            if (value.kind() == Kind::map) {
                const auto& entries = value.as_map().entries;
                const auto at = entries.find(name);
                value = at == entries.end() ? Value() : Value(at->second);
            } else if (value.kind() == Kind::record) {
                const auto* field = value.as_record().find(name);
                if (field == nullptr) return fail(ErrorCode::invalid_request, formatted("can't evaluate field {}", name));
                value = Value(*field);
            } else if (!value.is_nil()) {
                return fail(ErrorCode::invalid_request, formatted("can't evaluate field {} of a value without fields", name));
            }
        }
        return value;
    }

    const Syntax& syntax_;
    const RenderOptions& options_;
    Meter& meter_;
    const CallContext context_;
    std::vector<Variable> variables_;
    bool in_called_ = false;
    std::string out_;
};

}  // namespace

Result<std::string> render(const Syntax& syntax, const Value& data, Meter& meter, const RenderOptions& options) {
    return Renderer(syntax, meter, options).run(data);
}

}  // namespace weft::gotemplate
