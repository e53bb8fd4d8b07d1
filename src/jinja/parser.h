#pragma once

#include <initializer_list>
#include <set>
#include <span>
#include <unordered_map>

#include "jinja/ast.h"
#include "jinja/token.h"

namespace weft::jinja {

// Brackets within brackets, blocks within blocks.
inline constexpr int max_syntax_nesting = 100;
// Levels of one expression's tree; long chains (a + b + c ...) lean to the left and count one each.
inline constexpr int max_expression_depth = 400;

// Tokens to Syntax, by recursive descent in the order of Jinja's own precedence:
// if-else, or, and, not, comparison, + -, ~, * / // %, **, unary, postfix, filter.
class Parser {
  public:
    explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

    [[nodiscard]] Parsed<Syntax> parse_template();

  private:
    using Ends = std::span<const std::string_view>;
    using ExpressionResult = Parsed<ExpressionPtr>;

    // Walking the tokens.
    [[nodiscard]] const Token& current() const { return tokens_[at_]; }
    [[nodiscard]] const Token& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
    [[nodiscard]] bool at_any(std::initializer_list<std::string_view> symbols) const;
    Token take() { return at_ + 1 < tokens_.size() ? std::move(tokens_[at_++]) : tokens_[at_]; }
    bool skip_symbol(std::string_view symbol);
    bool skip_name(std::string_view name);
    Parsed<void> expect_symbol(std::string_view symbol);
    Parsed<void> expect(TokenType type, std::string_view what);
    Parsed<std::string> expect_name();
    [[nodiscard]] std::unexpected<SyntaxError> broken(std::string message) const;
    [[nodiscard]] std::unexpected<SyntaxError> unexpected_token() const;

    // Statements.
    Parsed<Body> parse_body(std::initializer_list<std::string_view> ends);
    Parsed<Body> parse_scoped_body(std::initializer_list<std::string_view> ends);
    Parsed<Body> parse_last_body(std::string_view end);
    Parsed<Statement::Node> parse_statement();
    Parsed<Statement::Node> parse_if();
    Parsed<Statement::Node> parse_for();
    Parsed<Statement::Node> parse_set();
    Parsed<Statement::Node> parse_macro();
    Parsed<Statement::Node> parse_call_block();
    Parsed<Statement::Node> parse_filter_block();
    Parsed<Statement::Node> parse_with();
    Parsed<Statement::Node> parse_generation();
    Parsed<Statement::Node> parse_loop_control(Statement::Node node);
    Parsed<std::vector<Parameter>> parse_parameters();
    Parsed<std::shared_ptr<const MacroDefinition>> parse_definition(std::string name, std::vector<Parameter> parameters,
                                                                    std::string_view end);
    Parsed<Target> parse_target(bool allow_attribute);
    Parsed<Target> parse_single_target(bool allow_attribute);
    Parsed<Target> parse_target_in_parentheses(bool allow_attribute);

    // Expressions.
    ExpressionResult parse_expression();
    ExpressionResult parse_tuple(bool with_conditional = true, bool in_parentheses = false);
    ExpressionResult parse_conditional();
    ExpressionResult parse_or();
    ExpressionResult parse_and();
    ExpressionResult parse_not();
    ExpressionResult parse_comparison();
    ExpressionResult parse_sum();
    ExpressionResult parse_concatenation();
    ExpressionResult parse_product();
    ExpressionResult parse_power();
    ExpressionResult parse_unary(bool with_filter = true);
    ExpressionResult parse_primary();
    ExpressionResult parse_name();
    ExpressionResult parse_string();
    ExpressionResult parse_list();
    ExpressionResult parse_dict();
    ExpressionResult parse_postfix(ExpressionPtr object);
    ExpressionResult parse_filters_and_tests(ExpressionPtr subject);
    ExpressionResult parse_attribute(ExpressionPtr object);
    ExpressionResult parse_subscript(ExpressionPtr object);
    ExpressionResult parse_slice(ExpressionPtr object, ExpressionPtr start);
    ExpressionResult parse_call(ExpressionPtr callee);
    ExpressionResult parse_filter(ExpressionPtr subject);
    ExpressionResult parse_test(ExpressionPtr subject);
    Parsed<CallArguments> parse_arguments();
    Parsed<void> parse_argument(CallArguments& arguments);
    Parsed<CallArguments> parse_test_arguments();
    Parsed<std::string> parse_dotted_name();
    ExpressionResult make(Expression::Node node, int line);
    ExpressionResult make_arithmetic(BinaryOperator op, ExpressionPtr left, ExpressionPtr right, int line);

    // Bookkeeping.
    Symbol symbol_of_name(const std::string& name);
    void mention(std::string_view name) { mentions_.emplace(name); }
    void mention_literal(const ExpressionPtr& expression);
    void note_unknown(std::string_view what, const std::string& name, int line);

    // One level of nesting; holds() is false when it is one too many.
    class Nesting {
      public:
        explicit Nesting(Parser& parser) : parser_(parser) { ++parser_.nesting_; }
        ~Nesting() { --parser_.nesting_; }
        [[nodiscard]] bool too_deep() const { return parser_.nesting_ > max_syntax_nesting; }

      private:
        Parser& parser_;
    };

    std::vector<Token> tokens_;
    std::size_t at_ = 0;
    int nesting_ = 0;
    int loops_ = 0;  // open {% for %} of the macro being parsed
    std::unordered_map<std::string, Symbol> symbols_;
    std::vector<std::string> names_;
    std::set<std::string, std::less<>> mentions_;
    std::set<std::string, std::less<>> special_names_;  // of varargs, kwargs, caller: those read in the macro being parsed
    // Uses of filters and tests that do not exist. Jinja rejects them at once, unless they stand in a branch of an if in
    // the same scope: there a template may ask first, and they fail only when used.
    std::vector<SyntaxError> unknown_here_, unknown_for_good_;
};

}  // namespace weft::jinja
