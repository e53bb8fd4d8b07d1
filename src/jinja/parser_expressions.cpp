#include <algorithm>

#include "jinja/ast_walk.h"
#include "base/formatted.h"
#include "jinja/builtin.h"
#include "jinja/parser.h"

namespace weft::jinja {

namespace {

std::optional<Comparison> comparison_of(const Token& token) {
    static constexpr std::pair<std::string_view, Comparison> table[] = {
        {"==", Comparison::equal},        {"!=", Comparison::not_equal}, {"<", Comparison::less},
        {"<=", Comparison::less_equal},   {">", Comparison::greater},    {">=", Comparison::greater_equal},
    };
    for (const auto& [symbol, comparison] : table)
        if (token.is_symbol(symbol)) return comparison;
    return std::nullopt;
}

std::optional<BinaryOperator> product_operator(const Token& token) {
    if (token.is_symbol("*")) return BinaryOperator::multiply;
    if (token.is_symbol("/")) return BinaryOperator::divide;
    if (token.is_symbol("//")) return BinaryOperator::floor_divide;
    if (token.is_symbol("%")) return BinaryOperator::modulo;
    return std::nullopt;
}

}  // namespace

Parser::ExpressionResult Parser::make(Expression::Node node, int line) {
    int depth = 0;
    for_each_child(node, [&depth](const Expression& child) { depth = std::max(depth, child.depth); });
    if (depth >= max_expression_depth) return broken("an expression with too many levels");
    return std::make_unique<const Expression>(std::move(node), line, depth + 1);
}

Parser::ExpressionResult Parser::make_arithmetic(BinaryOperator op, ExpressionPtr left, ExpressionPtr right, int line) {
    return make(Arithmetic{op, std::move(left), std::move(right)}, line);
}

Parser::ExpressionResult Parser::parse_expression() { return parse_conditional(); }

Parser::ExpressionResult Parser::parse_tuple(bool with_conditional, bool in_parentheses) {
    const int line = current().line;
    Expressions items;
    bool is_tuple = false;
    const auto at_end = [this] {
        return current().type == TokenType::print_end || current().type == TokenType::block_end ||
               current().is_symbol(")") || current().is_name("recursive");
    };
    while (!at_end()) {
        WEFT_TRY(ExpressionPtr item, with_conditional ? parse_conditional() : parse_or());
        items.push_back(std::move(item));
        if (!skip_symbol(",")) break;
        is_tuple = true;
    }
    if (!is_tuple && items.size() == 1) return std::move(items.front());
    if (items.empty() && !in_parentheses) return broken(formatted("Expected an expression, got {}", describe(current())));
    return make(TupleDisplay{std::move(items)}, line);
}

Parser::ExpressionResult Parser::parse_conditional() {
    const Nesting nesting(*this);
    if (nesting.too_deep()) return broken("an expression with too many levels");
    const std::size_t unknown_before = unknown_here_.size();
    const int line = current().line;
    WEFT_TRY(ExpressionPtr then, parse_or());
    while (skip_name("if")) {
        WEFT_TRY(ExpressionPtr condition, parse_or());
        ExpressionPtr otherwise;
        if (skip_name("else")) {
            WEFT_TRY(otherwise, parse_conditional());
        }
        WEFT_TRY(then, make(Conditional{std::move(condition), std::move(then), std::move(otherwise)}, line));
        unknown_here_.resize(unknown_before);
    }
    return then;
}

Parser::ExpressionResult Parser::parse_or() {
    const int line = current().line;
    WEFT_TRY(ExpressionPtr left, parse_and());
    while (skip_name("or")) {
        WEFT_TRY(ExpressionPtr right, parse_and());
        WEFT_TRY(left, make(Or{std::move(left), std::move(right)}, line));
    }
    return left;
}

Parser::ExpressionResult Parser::parse_and() {
    const int line = current().line;
    WEFT_TRY(ExpressionPtr left, parse_not());
    while (skip_name("and")) {
        WEFT_TRY(ExpressionPtr right, parse_not());
        WEFT_TRY(left, make(And{std::move(left), std::move(right)}, line));
    }
    return left;
}

Parser::ExpressionResult Parser::parse_not() {
    const int line = current().line;
    if (!skip_name("not")) return parse_comparison();
    const Nesting nesting(*this);
    if (nesting.too_deep()) return broken("an expression with too many levels");
    WEFT_TRY(ExpressionPtr operand, parse_not());
    return make(Not{std::move(operand)}, line);
}

Parser::ExpressionResult Parser::parse_comparison() {
    const int line = current().line;
    WEFT_TRY(ExpressionPtr first, parse_sum());
    CompareChain chain{std::move(first), {}};
    while (true) {
        auto comparison = comparison_of(current());
        if (comparison) {
            take();
        } else if (skip_name("in")) {
            comparison = Comparison::in;
            mention_literal(chain.first);
        } else if (current().is_name("not") && ahead().is_name("in")) {
            take(), take();
            comparison = Comparison::not_in;
            mention_literal(chain.first);
        } else {
            break;
        }
        WEFT_TRY(ExpressionPtr operand, parse_sum());
        chain.rest.emplace_back(*comparison, std::move(operand));
    }
    if (chain.rest.empty()) return std::move(chain.first);
    return make(std::move(chain), line);
}

Parser::ExpressionResult Parser::parse_sum() {
    const int line = current().line;
    WEFT_TRY(ExpressionPtr left, parse_concatenation());
    while (current().is_symbol("+") || current().is_symbol("-")) {
        const auto op = take().text == "+" ? BinaryOperator::add : BinaryOperator::subtract;
        WEFT_TRY(ExpressionPtr right, parse_concatenation());
        WEFT_TRY(left, make_arithmetic(op, std::move(left), std::move(right), line));
    }
    return left;
}

Parser::ExpressionResult Parser::parse_concatenation() {
    const int line = current().line;
    Expressions parts;
    do {
        WEFT_TRY(ExpressionPtr part, parse_product());
        parts.push_back(std::move(part));
    } while (skip_symbol("~"));
    if (parts.size() == 1) return std::move(parts.front());
    return make(Concatenation{std::move(parts)}, line);
}

Parser::ExpressionResult Parser::parse_product() {
    const int line = current().line;
    WEFT_TRY(ExpressionPtr left, parse_power());
    while (const auto op = product_operator(current())) {
        take();
        WEFT_TRY(ExpressionPtr right, parse_power());
        WEFT_TRY(left, make_arithmetic(*op, std::move(left), std::move(right), line));
    }
    return left;
}

// Left-associative, as in Jinja and unlike Python.
Parser::ExpressionResult Parser::parse_power() {
    const int line = current().line;
    WEFT_TRY(ExpressionPtr left, parse_unary());
    while (skip_symbol("**")) {
        WEFT_TRY(ExpressionPtr right, parse_unary());
        WEFT_TRY(left, make_arithmetic(BinaryOperator::power, std::move(left), std::move(right), line));
    }
    return left;
}

Parser::ExpressionResult Parser::parse_unary(bool with_filter) {
    const Nesting nesting(*this);
    if (nesting.too_deep()) return broken("an expression with too many levels");
    const int line = current().line;
    ExpressionPtr expression;
    if (current().is_symbol("-") || current().is_symbol("+")) {
        const bool minus = take().text == "-";
        WEFT_TRY(ExpressionPtr operand, parse_unary(false));
        WEFT_TRY(expression, minus ? make(Negation{std::move(operand)}, line) : make(Plus{std::move(operand)}, line));
    } else {
        WEFT_TRY(expression, parse_primary());
    }
    WEFT_TRY(expression, parse_postfix(std::move(expression)));
    return with_filter ? parse_filters_and_tests(std::move(expression)) : ExpressionResult(std::move(expression));
}

Parser::ExpressionResult Parser::parse_primary() {
    const int line = current().line;
    switch (current().type) {
        case TokenType::name: return parse_name();
        case TokenType::string: return parse_string();
        case TokenType::number: return make(Literal{take().number}, line);
        default: break;
    }
    if (current().is_symbol("[")) return parse_list();
    if (current().is_symbol("{")) return parse_dict();
    if (!skip_symbol("(")) return unexpected_token();
    WEFT_TRY(ExpressionPtr inner, parse_tuple(true, true));
    WEFT_CHECK(expect_symbol(")"));
    return inner;
}

Parser::ExpressionResult Parser::parse_name() {
    const Token token = take();
    if (token.text == "true" || token.text == "True") return make(Literal{Value::boolean(true)}, token.line);
    if (token.text == "false" || token.text == "False") return make(Literal{Value::boolean(false)}, token.line);
    if (token.text == "none" || token.text == "None") return make(Literal{Value::none()}, token.line);
    if (token.text == "caller" || token.text == "varargs" || token.text == "kwargs") special_names_.insert(token.text);
    mention(token.text);
    return make(NameRead{symbol_of_name(token.text)}, token.line);
}

Parser::ExpressionResult Parser::parse_string() {
    const int line = current().line;
    std::string text;
    while (current().type == TokenType::string) text += take().text;
    return make(Literal{Value::string(std::move(text))}, line);
}

Parser::ExpressionResult Parser::parse_list() {
    const int line = take().line;
    Expressions items;
    while (!current().is_symbol("]")) {
        WEFT_TRY(ExpressionPtr item, parse_expression());
        items.push_back(std::move(item));
        if (!skip_symbol(",")) break;
    }
    WEFT_CHECK(expect_symbol("]"));
    return make(ListDisplay{std::move(items)}, line);
}

Parser::ExpressionResult Parser::parse_dict() {
    const int line = take().line;
    DictDisplay dict;
    while (!current().is_symbol("}")) {
        WEFT_TRY(ExpressionPtr key, parse_expression());
        WEFT_CHECK(expect_symbol(":"));
        WEFT_TRY(ExpressionPtr value, parse_expression());
        dict.entries.emplace_back(std::move(key), std::move(value));
        if (!skip_symbol(",")) break;
    }
    WEFT_CHECK(expect_symbol("}"));
    return make(std::move(dict), line);
}

}  // namespace weft::jinja
