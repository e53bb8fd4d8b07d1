
#include "jinja/builtin.h"
#include "base/formatted.h"
#include "jinja/parser.h"

namespace weft::jinja {

namespace {

const Value* literal_of(const ExpressionPtr& expression) {
    const auto* literal = expression ? std::get_if<Literal>(&expression->node) : nullptr;
    return literal ? &literal->value : nullptr;
}

}  // namespace

// 'name' where it stands for an attribute: x['name'], x.get('name'), 'name' in x.
void Parser::mention_literal(const ExpressionPtr& expression) {
    if (const Value* literal = literal_of(expression); literal && literal->is_string()) mention(literal->as_string());
}

Parser::ExpressionResult Parser::parse_postfix(ExpressionPtr object) {
    while (true) {
        if (current().is_symbol(".")) {
            WEFT_TRY(object, parse_attribute(std::move(object)));
        } else if (current().is_symbol("[")) {
            WEFT_TRY(object, parse_subscript(std::move(object)));
        } else if (current().is_symbol("(")) {
            WEFT_TRY(object, parse_call(std::move(object)));
        } else {
            return object;
        }
    }
}

Parser::ExpressionResult Parser::parse_filters_and_tests(ExpressionPtr subject) {
    while (true) {
        if (skip_symbol("|")) {
            WEFT_TRY(subject, parse_filter(std::move(subject)));
        } else if (skip_name("is")) {
            WEFT_TRY(subject, parse_test(std::move(subject)));
        } else if (current().is_symbol("(")) {
            WEFT_TRY(subject, parse_call(std::move(subject)));
        } else {
            return subject;
        }
    }
}

Parser::ExpressionResult Parser::parse_attribute(ExpressionPtr object) {
    const int line = take().line;
    if (current().type == TokenType::number && current().number.kind() == Kind::integer) {
        WEFT_TRY(ExpressionPtr key, make(Literal{take().number}, line));
        return make(ItemRead{std::move(object), std::move(key)}, line);
    }
    WEFT_TRY(std::string name, expect_name());
    mention(name);
    return make(AttributeRead{std::move(object), std::move(name)}, line);
}

Parser::ExpressionResult Parser::parse_subscript(ExpressionPtr object) {
    const int line = take().line;
    ExpressionPtr key;
    if (!current().is_symbol(":")) {
        WEFT_TRY(key, parse_expression());
    }
    if (current().is_symbol(":")) return parse_slice(std::move(object), std::move(key));
    if (current().is_symbol(",")) {  // x[1, 2] asks for the tuple
        Expressions items;
        items.push_back(std::move(key));
        while (skip_symbol(",")) {
            WEFT_TRY(ExpressionPtr item, parse_expression());
            items.push_back(std::move(item));
        }
        WEFT_TRY(key, make(TupleDisplay{std::move(items)}, line));
    }
    WEFT_CHECK(expect_symbol("]"));
    mention_literal(key);
    return make(ItemRead{std::move(object), std::move(key)}, line);
}

Parser::ExpressionResult Parser::parse_slice(ExpressionPtr object, ExpressionPtr start) {
    const int line = current().line;
    ExpressionPtr stop, step;
    for (ExpressionPtr* part : {&stop, &step}) {
        if (!skip_symbol(":")) break;
        if (current().is_symbol(":") || current().is_symbol("]")) continue;
        WEFT_TRY(*part, parse_expression());
    }
    WEFT_CHECK(expect_symbol("]"));
    return make(SliceRead{std::move(object), std::move(start), std::move(stop), std::move(step)}, line);
}

Parser::ExpressionResult Parser::parse_call(ExpressionPtr callee) {
    const int line = current().line;
    WEFT_TRY(CallArguments arguments, parse_arguments());
    const auto* method = std::get_if<AttributeRead>(&callee->node);
    if (method && method->name == "get" && !arguments.positional.empty()) mention_literal(arguments.positional.front());
    return make(CallExpression{std::move(callee), std::move(arguments)}, line);
}

Parsed<CallArguments> Parser::parse_arguments() {
    CallArguments arguments;
    WEFT_CHECK(expect_symbol("("));
    while (!current().is_symbol(")")) {
        WEFT_CHECK(parse_argument(arguments));
        if (!skip_symbol(",")) break;
    }
    WEFT_CHECK(expect_symbol(")"));
    return arguments;
}

Parsed<void> Parser::parse_argument(CallArguments& arguments) {
    const auto misplaced = [this] { return broken("invalid syntax for function call expression"); };
    if (skip_symbol("*")) {
        if (arguments.spread || arguments.spread_named) return misplaced();
        WEFT_TRY(arguments.spread, parse_expression());
    } else if (skip_symbol("**")) {
        if (arguments.spread_named) return misplaced();
        WEFT_TRY(arguments.spread_named, parse_expression());
    } else if (current().type == TokenType::name && ahead().is_symbol("=")) {
        if (arguments.spread_named) return misplaced();
        std::string name = take().text;
        take();
        WEFT_TRY(ExpressionPtr value, parse_expression());
        for (const auto& [other, unused] : arguments.named)
            if (other == name) return broken(formatted("keyword argument repeated: {}", name));
        arguments.named.emplace_back(std::move(name), std::move(value));
    } else {
        if (arguments.spread || arguments.spread_named || !arguments.named.empty()) return misplaced();
        WEFT_TRY(ExpressionPtr value, parse_expression());
        arguments.positional.push_back(std::move(value));
    }
    return {};
}

Parsed<std::string> Parser::parse_dotted_name() {
    WEFT_TRY(std::string name, expect_name());
    while (skip_symbol(".")) {
        WEFT_TRY(const std::string part, expect_name());
        name += "." + part;
    }
    return name;
}

void Parser::note_unknown(std::string_view what, const std::string& name, int line) {
    unknown_here_.push_back({formatted("No {} named '{}'", what, name), line});
}

Parser::ExpressionResult Parser::parse_filter(ExpressionPtr subject) {
    const int line = current().line;
    WEFT_TRY(std::string name, parse_dotted_name());
    const Builtin* filter = find_filter(name);
    if (!filter) note_unknown("filter", name, line);
    CallArguments arguments;
    if (current().is_symbol("(")) {
        WEFT_TRY(arguments, parse_arguments());
    }
    if (name.ends_with("attr") && !arguments.positional.empty()) mention_literal(arguments.positional.front());
    return make(FilterUse{std::move(subject), filter, std::move(name), std::move(arguments)}, line);
}

Parser::ExpressionResult Parser::parse_test(ExpressionPtr subject) {
    const int line = current().line;
    const bool negated = skip_name("not");
    WEFT_TRY(std::string name, parse_dotted_name());
    const Builtin* test = find_test(name);
    if (!test) note_unknown("test", name, line);
    WEFT_TRY(CallArguments arguments, parse_test_arguments());
    WEFT_TRY(ExpressionPtr use, make(TestUse{std::move(subject), test, std::move(name), std::move(arguments)}, line));
    return negated ? make(Not{std::move(use)}, line) : ExpressionResult(std::move(use));
}

// "is test(x)" or "is test x", where x is one operand without operators.
Parsed<CallArguments> Parser::parse_test_arguments() {
    if (current().is_symbol("(")) return parse_arguments();
    CallArguments arguments;
    const bool operand_follows = current().type == TokenType::string || current().type == TokenType::number ||
                                 current().is_symbol("[") || current().is_symbol("{") ||
                                 (current().type == TokenType::name && !current().is_name("else") &&
                                  !current().is_name("or") && !current().is_name("and"));
    if (!operand_follows) return arguments;
    if (current().is_name("is")) return broken("You cannot chain multiple tests with is");
    WEFT_TRY(ExpressionPtr operand, parse_primary());
    WEFT_TRY(operand, parse_postfix(std::move(operand)));
    arguments.positional.push_back(std::move(operand));
    return arguments;
}

}  // namespace weft::jinja
