#include <algorithm>

#include "jinja/builtin.h"
#include "base/formatted.h"
#include "jinja/parser.h"

namespace weft::jinja {

Parsed<Syntax> Parser::parse_template() {
    WEFT_TRY(Body body, parse_scoped_body({}));
    if (!unknown_for_good_.empty()) return std::unexpected(unknown_for_good_.front());
    return Syntax{std::move(body), std::move(names_), {mentions_.begin(), mentions_.end()}};
}

bool Parser::skip_symbol(std::string_view symbol) {
    if (!current().is_symbol(symbol)) return false;
    take();
    return true;
}

bool Parser::skip_name(std::string_view name) {
    if (!current().is_name(name)) return false;
    take();
    return true;
}

Parsed<void> Parser::expect_symbol(std::string_view symbol) {
    if (!skip_symbol(symbol)) return broken(formatted("expected '{}', got {}", symbol, describe(current())));
    return {};
}

Parsed<void> Parser::expect(TokenType type, std::string_view what) {
    if (current().type != type) return broken(formatted("expected {}, got {}", what, describe(current())));
    take();
    return {};
}

Parsed<std::string> Parser::expect_name() {
    if (current().type != TokenType::name) return broken(formatted("expected a name, got {}", describe(current())));
    return take().text;
}

std::unexpected<SyntaxError> Parser::broken(std::string message) const {
    return std::unexpected(SyntaxError{std::move(message), current().line});
}

std::unexpected<SyntaxError> Parser::unexpected_token() const {
    return broken(formatted("unexpected {}", describe(current())));
}

Symbol Parser::symbol_of_name(const std::string& name) {
    const auto [entry, added] = symbols_.emplace(name, static_cast<Symbol>(names_.size()));
    if (added) names_.push_back(name);
    return entry->second;
}

// Ends in front of the name that is one of ends, its {% already taken; at the end of the template when there are none.
Parsed<Body> Parser::parse_body(std::initializer_list<std::string_view> ends) {
    const Nesting nesting(*this);
    if (nesting.too_deep()) return broken("blocks nested too deeply");
    Body body;
    while (current().type != TokenType::end_of_template) {
        const int line = current().line;
        Token token = take();
        if (token.type == TokenType::data) {
            body.push_back({TextOutput{std::move(token.text)}, line});
        } else if (token.type == TokenType::print_begin) {
            WEFT_TRY(ExpressionPtr value, parse_tuple());
            WEFT_CHECK(expect(TokenType::print_end, "'}}'"));
            body.push_back({Print{std::move(value)}, line});
        } else {
            if (current().type == TokenType::name && std::ranges::contains(ends, current().text)) return body;
            WEFT_TRY(Statement::Node statement, parse_statement());
            body.push_back({std::move(statement), line});
        }
    }
    if (ends.size() != 0) return broken(formatted("Unexpected end of template, looking for '{}'", *(ends.end() - 1)));
    return body;
}

// A body that is a scope of its own.
Parsed<Body> Parser::parse_scoped_body(std::initializer_list<std::string_view> ends) {
    const auto before = static_cast<std::ptrdiff_t>(unknown_here_.size());
    WEFT_TRY(Body body, parse_body(ends));
    unknown_for_good_.insert(unknown_for_good_.end(), unknown_here_.begin() + before, unknown_here_.end());
    unknown_here_.resize(static_cast<std::size_t>(before));
    return body;
}

// From the %} of the opening tag to behind the %} of the closing one.
Parsed<Body> Parser::parse_last_body(std::string_view end) {
    skip_symbol(":");
    WEFT_CHECK(expect(TokenType::block_end, "end of statement block"));
    WEFT_TRY(Body body, parse_scoped_body({end}));
    take();
    WEFT_CHECK(expect(TokenType::block_end, "end of statement block"));
    return body;
}

Parsed<Statement::Node> Parser::parse_statement() {
    WEFT_TRY(const std::string tag, expect_name());
    if (tag == "if") return parse_if();
    if (tag == "for") return parse_for();
    if (tag == "set") return parse_set();
    if (tag == "macro") return parse_macro();
    if (tag == "call") return parse_call_block();
    if (tag == "filter") return parse_filter_block();
    if (tag == "with") return parse_with();
    if (tag == "generation") return parse_generation();
    if (tag == "break") return parse_loop_control(Break{});
    if (tag == "continue") return parse_loop_control(Continue{});
    return broken(formatted("unknown or unsupported tag '{}'", tag));
}

Parsed<Statement::Node> Parser::parse_if() {
    If node;
    const std::size_t unknown_before = unknown_here_.size();
    for (bool more = true; more;) {
        WEFT_TRY(ExpressionPtr condition, parse_tuple(false));
        skip_symbol(":");
        WEFT_CHECK(expect(TokenType::block_end, "end of statement block"));
        WEFT_TRY(Body body, parse_body({"elif", "else", "endif"}));
        node.branches.emplace_back(std::move(condition), std::move(body));
        const std::string next = take().text;
        more = next == "elif";
        if (next != "else") continue;
        skip_symbol(":");
        WEFT_CHECK(expect(TokenType::block_end, "end of statement block"));
        WEFT_TRY(node.otherwise, parse_body({"endif"}));
        take();
    }
    WEFT_CHECK(expect(TokenType::block_end, "end of statement block"));
    unknown_here_.resize(unknown_before);
    return node;
}

Parsed<Statement::Node> Parser::parse_for() {
    For node;
    WEFT_TRY(node.target, parse_target(false));
    if (!skip_name("in")) return broken(formatted("expected 'in', got {}", describe(current())));
    WEFT_TRY(node.items, parse_tuple(false));
    if (skip_name("if")) {
        WEFT_TRY(node.filter, parse_expression());
    }
    node.recursive = skip_name("recursive");
    node.loop = symbol_of_name("loop");
    skip_symbol(":");
    WEFT_CHECK(expect(TokenType::block_end, "end of statement block"));
    ++loops_;
    auto body = parse_scoped_body({"else", "endfor"});
    --loops_;
    WEFT_TRY(node.body, std::move(body));
    if (take().text == "else") {
        WEFT_TRY(node.otherwise, parse_last_body("endfor"));
    } else {
        WEFT_CHECK(expect(TokenType::block_end, "end of statement block"));
    }
    return node;
}

Parsed<Statement::Node> Parser::parse_set() {
    WEFT_TRY(Target target, parse_target(true));
    if (skip_symbol("=")) {
        WEFT_TRY(ExpressionPtr value, parse_tuple());
        WEFT_CHECK(expect(TokenType::block_end, "end of statement block"));
        return Set{std::move(target), std::move(value)};
    }
    ExpressionPtr filter;
    while (skip_symbol("|")) {
        WEFT_TRY(filter, parse_filter(std::move(filter)));
    }
    WEFT_TRY(Body body, parse_last_body("endset"));
    return SetBlock{std::move(target), std::move(filter), std::move(body)};
}

Parsed<std::vector<Parameter>> Parser::parse_parameters() {
    std::vector<Parameter> parameters;
    WEFT_CHECK(expect_symbol("("));
    while (!current().is_symbol(")")) {
        WEFT_TRY(std::string name, expect_name());
        ExpressionPtr fallback;
        if (skip_symbol("=")) {
            WEFT_TRY(fallback, parse_expression());
        } else if (!parameters.empty() && parameters.back().fallback) {
            return broken("non-default argument follows default argument");
        }
        const Symbol symbol = symbol_of_name(name);
        if (std::ranges::contains(parameters, symbol, &Parameter::symbol))
            return broken(formatted("duplicate argument '{}'", name));
        parameters.push_back({symbol, std::move(name), std::move(fallback)});
        if (!skip_symbol(",")) break;
    }
    WEFT_CHECK(expect_symbol(")"));
    return parameters;
}

Parsed<std::shared_ptr<const MacroDefinition>> Parser::parse_definition(std::string name, std::vector<Parameter> parameters,
                                                                        std::string_view end) {
    MacroDefinition definition{std::move(name), std::move(parameters), nullptr};
    definition.line = current().line;
    const int outer_loops = std::exchange(loops_, 0);
    auto outer_special_names = std::exchange(special_names_, {});
    WEFT_TRY(Body body, parse_last_body(end));
    definition.body = std::make_shared<const Body>(std::move(body));
    const auto special = [this](const char* special_name) {
        return special_names_.contains(special_name) ? std::optional(symbol_of_name(special_name)) : std::nullopt;
    };
    definition.varargs = special("varargs");
    definition.kwargs = special("kwargs");
    definition.caller = special("caller");
    loops_ = outer_loops;
    special_names_.merge(outer_special_names);  // what a macro within this one reads, this one has to know as well
    return std::make_shared<const MacroDefinition>(std::move(definition));
}

Parsed<Statement::Node> Parser::parse_macro() {
    WEFT_TRY(std::string name, expect_name());
    const Symbol symbol = symbol_of_name(name);
    WEFT_TRY(auto parameters, parse_parameters());
    WEFT_TRY(auto definition, parse_definition(std::move(name), std::move(parameters), "endmacro"));
    return MacroStatement{symbol, std::move(definition)};
}

Parsed<Statement::Node> Parser::parse_call_block() {
    std::vector<Parameter> parameters;
    if (current().is_symbol("(")) {
        WEFT_TRY(parameters, parse_parameters());
    }
    WEFT_TRY(ExpressionPtr call, parse_expression());
    if (!std::holds_alternative<CallExpression>(call->node)) return broken("expected call");
    WEFT_TRY(auto caller, parse_definition("caller", std::move(parameters), "endcall"));
    return CallBlock{std::move(call), std::move(caller)};
}

Parsed<Statement::Node> Parser::parse_filter_block() {
    ExpressionPtr filter;
    do {
        WEFT_TRY(filter, parse_filter(std::move(filter)));
    } while (skip_symbol("|"));
    WEFT_TRY(Body body, parse_last_body("endfilter"));
    return FilterBlock{std::move(filter), std::move(body)};
}

Parsed<Statement::Node> Parser::parse_with() {
    With node;
    while (current().type != TokenType::block_end) {
        WEFT_TRY(Target target, parse_target(false));
        WEFT_CHECK(expect_symbol("="));
        WEFT_TRY(ExpressionPtr value, parse_expression());
        node.variables.emplace_back(std::move(target), std::move(value));
        if (!skip_symbol(",")) break;
    }
    WEFT_TRY(node.body, parse_last_body("endwith"));
    return node;
}

Parsed<Statement::Node> Parser::parse_generation() {
    WEFT_TRY(Body body, parse_last_body("endgeneration"));
    return Inline{std::move(body)};
}

Parsed<Statement::Node> Parser::parse_loop_control(Statement::Node node) {
    if (loops_ == 0) return broken("break or continue outside of a loop");
    WEFT_CHECK(expect(TokenType::block_end, "end of statement block"));
    return node;
}

Parsed<Target> Parser::parse_target(bool allow_attribute) {
    std::vector<Target> targets;
    bool is_tuple = false;
    do {
        if (!targets.empty() && current().type != TokenType::name && !current().is_symbol("(")) break;
        if (!targets.empty() && current().is_name("in")) break;
        WEFT_TRY(Target target, parse_single_target(allow_attribute));
        targets.push_back(std::move(target));
        is_tuple |= current().is_symbol(",");
    } while (skip_symbol(","));
    if (!is_tuple) return std::move(targets.front());
    return Target{std::move(targets)};
}

Parsed<Target> Parser::parse_single_target(bool allow_attribute) {
    if (current().is_symbol("(")) return parse_target_in_parentheses(allow_attribute);
    WEFT_TRY(const std::string name, expect_name());
    static constexpr std::string_view constants[] = {"true", "false", "none", "True", "False", "None"};
    if (std::ranges::contains(constants, name)) return broken(formatted("can't assign to '{}'", name));
    const Symbol symbol = symbol_of_name(name);
    if (!allow_attribute || !skip_symbol(".")) return Target{symbol};
    WEFT_TRY(std::string attribute, expect_name());
    return Target{Target::Attribute{symbol, std::move(attribute)}};
}

Parsed<Target> Parser::parse_target_in_parentheses(bool allow_attribute) {
    const Nesting nesting(*this);
    if (nesting.too_deep()) return broken("targets nested too deeply");
    take();
    WEFT_TRY(Target target, parse_target(allow_attribute));
    WEFT_CHECK(expect_symbol(")"));
    return target;
}

}  // namespace weft::jinja
