#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "jinja/operators.h"
#include "jinja/value.h"

namespace weft::jinja {

struct Builtin;
struct Expression;
struct Statement;

using ExpressionPtr = std::unique_ptr<const Expression>;
using Expressions = std::vector<ExpressionPtr>;
using Body = std::vector<Statement>;

// A variable's name as a number: the place in Syntax::names.
enum class Symbol : std::uint32_t {};

struct CallArguments {
    Expressions positional{};
    std::vector<std::pair<std::string, ExpressionPtr>> named{};
    ExpressionPtr spread{};        // *items
    ExpressionPtr spread_named{};  // **entries
};

struct Literal { Value value; };
struct NameRead { Symbol symbol; };
struct ListDisplay { Expressions items; };
struct TupleDisplay { Expressions items; };
struct DictDisplay { std::vector<std::pair<ExpressionPtr, ExpressionPtr>> entries; };
struct AttributeRead { ExpressionPtr object; std::string name; };
struct ItemRead { ExpressionPtr object; ExpressionPtr key; };
struct SliceRead { ExpressionPtr object, start, stop, step; };  // the last three may be null
struct CallExpression { ExpressionPtr callee; CallArguments arguments; };
// An unknown filter or test fails when it is used, so that a template may ask first. subject is null inside of
// {% filter %} and {% set x | filter %}, where it is the block's text.
struct FilterUse { ExpressionPtr subject; const Builtin* filter; std::string name; CallArguments arguments; };
struct TestUse { ExpressionPtr subject; const Builtin* test; std::string name; CallArguments arguments; };
struct Negation { ExpressionPtr operand; };
struct Plus { ExpressionPtr operand; };
struct Not { ExpressionPtr operand; };
struct And { ExpressionPtr left, right; };
struct Or { ExpressionPtr left, right; };
struct Arithmetic { BinaryOperator op; ExpressionPtr left, right; };
struct Concatenation { Expressions parts; };
struct CompareChain { ExpressionPtr first; std::vector<std::pair<Comparison, ExpressionPtr>> rest; };
struct Conditional { ExpressionPtr condition, then, otherwise; };  // otherwise may be null

struct Expression {
    using Node = std::variant<Literal, NameRead, ListDisplay, TupleDisplay, DictDisplay, AttributeRead, ItemRead, SliceRead,
                              CallExpression, FilterUse, TestUse, Negation, Plus, Not, And, Or, Arithmetic, Concatenation,
                              CompareChain, Conditional>;
    Node node;
    int line = 1;
    int depth = 1;  // levels of the tree below and with this node
};

// What {% set %} and {% for %} write to.
struct Target {
    struct Attribute { Symbol object; std::string name; };  // of a namespace
    std::variant<Symbol, Attribute, std::vector<Target>> place;
};

struct Parameter { Symbol symbol; std::string name; ExpressionPtr fallback; };

// A {% macro %} or the body of a {% call %}.
struct MacroDefinition {
    std::string name;
    std::vector<Parameter> parameters;
    std::shared_ptr<const Body> body;
    // The special names that the body reads; without them extra arguments are an error.
    std::optional<Symbol> varargs{}, kwargs{}, caller{};
    int line = 1;
};

struct TextOutput { std::string text; };
struct Print { ExpressionPtr value; };
struct If { std::vector<std::pair<ExpressionPtr, Body>> branches; Body otherwise; };
struct For { Target target; ExpressionPtr items, filter; bool recursive = false; Symbol loop; Body body, otherwise; };
struct Set { Target target; ExpressionPtr value; };
struct SetBlock { Target target; ExpressionPtr filter; Body body; };  // filter may be null
struct MacroStatement { Symbol symbol; std::shared_ptr<const MacroDefinition> definition; };
struct CallBlock { ExpressionPtr call; std::shared_ptr<const MacroDefinition> caller; };
struct FilterBlock { ExpressionPtr filter; Body body; };
struct With { std::vector<std::pair<Target, ExpressionPtr>> variables; Body body; };
struct Inline { Body body; };  // {% generation %}: marks text for training, renders as its body
struct Break {};
struct Continue {};

struct Statement {
    using Node = std::variant<TextOutput, Print, If, For, Set, SetBlock, MacroStatement, CallBlock, FilterBlock, With, Inline,
                              Break, Continue>;
    Node node;
    int line = 1;
};

// A parsed template. Immutable.
struct Syntax {
    Body body;
    std::vector<std::string> names;        // by Symbol
    std::vector<std::string> mentions;     // variables, attributes and literal keys that it reads; sorted
};

}  // namespace weft::jinja
