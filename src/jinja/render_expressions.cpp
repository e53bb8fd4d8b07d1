
#include "jinja/access.h"
#include "base/formatted.h"
#include "jinja/python_text.h"
#include "jinja/render.h"

namespace weft::jinja {

Outcome<Value> Render::evaluate(const Expression& expression) {
    WEFT_CHECK(meter_.step());
    DepthGuard guard(meter_);
    WEFT_CHECK(std::move(guard.entered()));
    const int outer_line = std::exchange(line_, expression.line);
    Outcome<Value> value = std::visit([this](const auto& node) { return value_of(node); }, expression.node);
    if (value) line_ = outer_line;  // a failure keeps the line where it happened
    return value;
}

Outcome<std::vector<Value>> Render::evaluate_all(const Expressions& expressions) {
    std::vector<Value> values;
    values.reserve(expressions.size());
    for (const auto& expression : expressions) {
        WEFT_TRY(Value value, evaluate(*expression));
        values.push_back(std::move(value));
    }
    return values;
}

const Value& Render::global(Symbol symbol) {
    std::optional<Value>& cached = globals_[static_cast<std::size_t>(symbol)];
    if (cached) return *cached;
    const std::string& name = syntax_.names[static_cast<std::size_t>(symbol)];
    const Value* given = variables_.is_dict() ? variables_.as_dict().find(name) : nullptr;
    if (given) cached = *given;
    else if (const Builtin* builtin = find_global(name)) cached = Value::object(std::make_shared<BuiltinObject>(*builtin));
    else cached = Value::undefined(formatted("'{}' is undefined", name));
    return *cached;
}

Outcome<Value> Render::value_of(const NameRead& node) {
    const Value* local = scope_->find(node.symbol);
    return local ? *local : global(node.symbol);
}

Outcome<Value> Render::value_of(const ListDisplay& node) {
    WEFT_TRY(auto items, evaluate_all(node.items));
    return new_list(std::move(items));
}

Outcome<Value> Render::value_of(const TupleDisplay& node) {
    WEFT_TRY(auto items, evaluate_all(node.items));
    return new_sequence({SequenceType::tuple, std::move(items)});
}

Outcome<Value> Render::value_of(const DictDisplay& node) {
    Dict dict;
    for (const auto& [key_node, value_node] : node.entries) {
        WEFT_TRY(Value key, evaluate(*key_node));
        WEFT_TRY(Value value, evaluate(*value_node));
        WEFT_CHECK(meter_.work(key.weight()));
        WEFT_CHECK(require_hashable(key));
        dict.set(std::move(key), std::move(value));
    }
    return new_dict(std::move(dict));
}

Outcome<Value> Render::value_of(const AttributeRead& node) {
    WEFT_TRY(const Value object, evaluate(*node.object));
    return get_attribute(*this, object, node.name);
}

Outcome<Value> Render::value_of(const ItemRead& node) {
    WEFT_TRY(const Value object, evaluate(*node.object));
    WEFT_TRY(const Value key, evaluate(*node.key));
    return get_item(*this, object, key);
}

Outcome<Value> Render::value_of(const SliceRead& node) {
    WEFT_TRY(const Value object, evaluate(*node.object));
    SliceBounds bounds{Value::none(), Value::none(), Value::none()};
    const std::pair<const ExpressionPtr&, Value&> parts[] = {
        {node.start, bounds.start}, {node.stop, bounds.stop}, {node.step, bounds.step}};
    for (const auto& [expression, bound] : parts) {
        if (!expression) continue;
        WEFT_TRY(bound, evaluate(*expression));
    }
    return get_slice(*this, object, bounds);
}

Outcome<Arguments> Render::evaluate(const CallArguments& given) {
    Arguments arguments;
    WEFT_TRY(arguments.positional, evaluate_all(given.positional));
    for (const auto& [name, expression] : given.named) {
        WEFT_TRY(Value value, evaluate(*expression));
        arguments.named.emplace_back(name, std::move(value));
    }
    WEFT_CHECK(spread_into(arguments, given));
    return arguments;
}

Outcome<void> Render::spread_into(Arguments& arguments, const CallArguments& given) {
    if (given.spread) {
        WEFT_TRY(const Value list, evaluate(*given.spread));
        WEFT_TRY(const auto items, iterate(*this, list));
        WEFT_CHECK(meter_.work(items->items.size() * sizeof(Value)));
        arguments.positional.insert(arguments.positional.end(), items->items.begin(), items->items.end());
    }
    if (given.spread_named) {
        WEFT_TRY(const Value entries, evaluate(*given.spread_named));
        if (!entries.is_dict()) return raise("argument after ** must be a mapping");
        WEFT_CHECK(meter_.work(entries.as_dict().size() * 2 * sizeof(Value)));
        for (const auto& [name, value] : entries.as_dict().entries()) {
            if (!name.is_string()) return raise("keywords must be strings");
            arguments.named.emplace_back(std::string(name.as_string()), value);
        }
    }
    return {};
}

Outcome<Value> Render::value_of(const CallExpression& node) { return call_with(node, {}); }

// extra: what a {% call %} adds.
Outcome<Value> Render::call_with(const CallExpression& node, Arguments extra) {
    const auto* method_read = std::get_if<AttributeRead>(&node.callee->node);
    if (!method_read) {
        WEFT_TRY(const Value callee, evaluate(*node.callee));
        WEFT_TRY(Arguments arguments, evaluate(node.arguments));
        std::ranges::move(extra.named, std::back_inserter(arguments.named));
        return call(callee, arguments);
    }
    // A method is called without making a value of it first.
    WEFT_TRY(const Value object, evaluate(*method_read->object));
    const Builtin* method = find_method(object, method_read->name);
    Value callee;
    if (!method) {
        WEFT_TRY(callee, get_attribute(*this, object, method_read->name));
    }
    WEFT_TRY(Arguments arguments, evaluate(node.arguments));
    std::ranges::move(extra.named, std::back_inserter(arguments.named));
    return method ? invoke(*this, *method, object, arguments) : call(callee, arguments);
}

Outcome<Value> Render::call(const Value& callee, const Arguments& arguments) {
    if (callee.is_undefined()) return raise(callee.undefined_hint());
    if (callee.kind() != Kind::object) return raise(formatted("'{}' object is not callable", type_name(callee)));
    DepthGuard guard(meter_);
    WEFT_CHECK(std::move(guard.entered()));
    return callee.as_object()->call(*this, arguments);
}

Outcome<Value> Render::value_of(const FilterUse& node) {
    if (!node.filter) return raise(formatted("No filter named '{}'.", node.name));
    Value subject;
    if (node.subject) {
        WEFT_TRY(subject, evaluate(*node.subject));
    } else if (block_text_) {
        subject = *block_text_;
    }
    WEFT_TRY(const Arguments arguments, evaluate(node.arguments));
    return invoke(*this, *node.filter, subject, arguments);
}

Outcome<Value> Render::value_of(const TestUse& node) {
    if (!node.test) return raise(formatted("No test named '{}'.", node.name));
    WEFT_TRY(const Value subject, evaluate(*node.subject));
    WEFT_TRY(const Arguments arguments, evaluate(node.arguments));
    return invoke(*this, *node.test, subject, arguments);
}

Outcome<Value> Render::value_of(const Negation& node) {
    WEFT_TRY(const Value operand, evaluate(*node.operand));
    return negate(operand);
}

Outcome<Value> Render::value_of(const Plus& node) {
    WEFT_TRY(const Value operand, evaluate(*node.operand));
    if (operand.is_boolean()) return Value::integer(operand.as_integer());
    if (operand.is_number()) return operand;
    if (operand.is_undefined()) return raise(operand.undefined_hint());
    return raise(formatted("bad operand type for unary +: '{}'", type_name(operand)));
}

Outcome<Value> Render::value_of(const Not& node) {
    WEFT_TRY(const Value operand, evaluate(*node.operand));
    return Value::boolean(!operand.truthy());
}

Outcome<Value> Render::value_of(const And& node) {
    WEFT_TRY(Value left, evaluate(*node.left));
    if (!left.truthy()) return left;
    return evaluate(*node.right);
}

Outcome<Value> Render::value_of(const Or& node) {
    WEFT_TRY(Value left, evaluate(*node.left));
    if (left.truthy()) return left;
    return evaluate(*node.right);
}

Outcome<Value> Render::value_of(const Arithmetic& node) {
    WEFT_TRY(const Value left, evaluate(*node.left));
    WEFT_TRY(const Value right, evaluate(*node.right));
    return apply(meter_, node.op, left, right);
}

Outcome<Value> Render::value_of(const Concatenation& node) {
    std::string text;
    for (const auto& part : node.parts) {
        WEFT_TRY(const Value value, evaluate(*part));
        WEFT_CHECK(append_str(meter_, text, value));
    }
    return Value::string(std::move(text));
}

// a < b < c: each operand once, and no further than the first that does not hold.
Outcome<Value> Render::value_of(const CompareChain& node) {
    WEFT_TRY(Value left, evaluate(*node.first));
    for (const auto& [comparison, operand] : node.rest) {
        WEFT_TRY(Value right, evaluate(*operand));
        WEFT_TRY(const bool holds, compare(meter_, comparison, left, right));
        if (!holds) return Value::boolean(false);
        left = std::move(right);
    }
    return Value::boolean(true);
}

Outcome<Value> Render::value_of(const Conditional& node) {
    WEFT_TRY(const Value condition, evaluate(*node.condition));
    if (condition.truthy()) return evaluate(*node.then);
    if (node.otherwise) return evaluate(*node.otherwise);
    return Value::undefined("the inline if-expression evaluated to false and no else section was defined.");
}

}  // namespace weft::jinja
