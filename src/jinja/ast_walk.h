#pragma once

#include "jinja/ast.h"

namespace weft::jinja {

// Calls visit(child) for the expressions right below this one, left to right.
template <typename Visit>
class ChildWalk {
  public:
    explicit ChildWalk(Visit visit) : visit_(std::move(visit)) {}

    void operator()(const Literal&) {}
    void operator()(const NameRead&) {}
    void operator()(const ListDisplay& n) { all(n.items); }
    void operator()(const TupleDisplay& n) { all(n.items); }
    void operator()(const DictDisplay& n) {
        for (const auto& [key, value] : n.entries) one(key), one(value);
    }
    void operator()(const AttributeRead& n) { one(n.object); }
    void operator()(const ItemRead& n) { one(n.object), one(n.key); }
    void operator()(const SliceRead& n) { one(n.object), one(n.start), one(n.stop), one(n.step); }
    void operator()(const CallExpression& n) { one(n.callee), arguments(n.arguments); }
    void operator()(const FilterUse& n) { one(n.subject), arguments(n.arguments); }
    void operator()(const TestUse& n) { one(n.subject), arguments(n.arguments); }
    void operator()(const Negation& n) { one(n.operand); }
    void operator()(const Plus& n) { one(n.operand); }
    void operator()(const Not& n) { one(n.operand); }
    void operator()(const And& n) { one(n.left), one(n.right); }
    void operator()(const Or& n) { one(n.left), one(n.right); }
    void operator()(const Arithmetic& n) { one(n.left), one(n.right); }
    void operator()(const Concatenation& n) { all(n.parts); }
    void operator()(const CompareChain& n) {
        one(n.first);
        for (const auto& [comparison, operand] : n.rest) one(operand);
    }
    void operator()(const Conditional& n) { one(n.condition), one(n.then), one(n.otherwise); }

  private:
    void one(const ExpressionPtr& child) {
        if (child) visit_(*child);
    }
    void all(const Expressions& children) {
        for (const auto& child : children) one(child);
    }
    void arguments(const CallArguments& given) {
        all(given.positional);
        for (const auto& [name, value] : given.named) one(value);
        one(given.spread), one(given.spread_named);
    }

    Visit visit_;
};

template <typename Visit>
void for_each_child(const Expression::Node& node, Visit visit) {
    ChildWalk<Visit> walk(std::move(visit));
    std::visit(walk, node);
}

}  // namespace weft::jinja
