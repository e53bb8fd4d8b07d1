#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "jinja/ast.h"
#include "jinja/value.h"

namespace weft::jinja {

// The variables of one block, and the block around it. Few entries, so a row searched from the front.
class Scope {
  public:
    explicit Scope(std::shared_ptr<Scope> parent) : parent_(std::move(parent)) {}

    // Here or in a block around; null when nowhere set.
    [[nodiscard]] const Value* find(Symbol symbol) const {
        for (const Scope* scope = this; scope; scope = scope->parent_.get())
            for (const auto& [name, value] : scope->variables_)
                if (name == symbol) return &value;
        return nullptr;
    }

    void set(Symbol symbol, Value value) {
        for (auto& [name, old] : variables_)
            if (name == symbol) return void(old = std::move(value));
        variables_.emplace_back(symbol, std::move(value));
    }

    void clear() { variables_.clear(); }

    // A macro defined here still needs it when the block is over. True once it is known.
    bool captured = false;

  private:
    std::shared_ptr<Scope> parent_;
    std::vector<std::pair<Symbol, Value>> variables_;
};

}  // namespace weft::jinja
