#pragma once

#include <memory>
#include <vector>

#include "jinja/ast.h"
#include "jinja/object.h"
#include "jinja/scope.h"

namespace weft::jinja {

// namespace(...): the one thing a template can change. Render clears all of them at its end, as they may hold each other.
class Namespace final : public Object {
  public:
    [[nodiscard]] std::string_view type_name() const override { return "Namespace"; }
    [[nodiscard]] std::string repr() const override { return "<Namespace {...}>"; }
    [[nodiscard]] std::optional<Value> attribute(std::string_view name) override;
    void set(std::string_view name, Value value);
    void clear() { attributes_.clear(); }

  private:
    std::vector<std::pair<std::string, Value>> attributes_;
};

// A {% macro %}, or the body of a {% call %} as `caller`.
class Macro final : public Object {
  public:
    Macro(std::shared_ptr<const MacroDefinition> definition, std::shared_ptr<Scope> scope)
        : definition_(std::move(definition)), scope_(std::move(scope)) {}

    [[nodiscard]] std::string_view type_name() const override { return "Macro"; }
    [[nodiscard]] std::string repr() const override { return "<Macro '" + definition_->name + "'>"; }
    [[nodiscard]] std::optional<Value> attribute(std::string_view name) override;
    [[nodiscard]] bool callable() const override { return true; }
    [[nodiscard]] Outcome<Value> call(Render& render, const Arguments& arguments) override;

  private:
    [[nodiscard]] Outcome<void> bind(Render& render, const Arguments& arguments, Scope& locals) const;
    [[nodiscard]] Outcome<void> bind_rest(Render& render, const Arguments& arguments, Scope& locals) const;
    [[nodiscard]] bool has_parameter(std::string_view name) const;

    const std::shared_ptr<const MacroDefinition> definition_;
    const std::weak_ptr<Scope> scope_;  // kept alive by Render; strong, the scope and its macro would hold each other
};

// The result of map, select, items ...: can be walked once.
class Iterator final : public Object {
  public:
    // failure: what happens to who walks further than the items.
    explicit Iterator(std::vector<Value> items, std::optional<Failure> failure = std::nullopt);

    [[nodiscard]] std::string_view type_name() const override { return "generator"; }
    [[nodiscard]] std::string repr() const override { return "<generator object>"; }
    [[nodiscard]] int depth() const override { return depth_; }
    [[nodiscard]] Outcome<std::shared_ptr<const Sequence>> iterate() override;
    // Only the next one; nothing at the end.
    [[nodiscard]] Outcome<std::optional<Value>> next();

  private:
    std::vector<Value> items_;
    std::optional<Failure> failure_;
    std::size_t at_ = 0;
    int depth_;
};

// cycler(a, b): .next(), .reset(), .current
class Cycler final : public Object {
  public:
    explicit Cycler(std::vector<Value> items) : items_(std::move(items)) {}

    [[nodiscard]] std::string_view type_name() const override { return "Cycler"; }
    [[nodiscard]] std::string repr() const override { return "<Cycler>"; }
    [[nodiscard]] int depth() const override;
    [[nodiscard]] std::optional<Value> attribute(std::string_view name) override;
    [[nodiscard]] Value next();
    void reset() { at_ = 0; }

  private:
    std::vector<Value> items_;
    std::size_t at_ = 0;
};

// joiner(", "): empty the first time, then the separator.
class Joiner final : public Object {
  public:
    explicit Joiner(Value separator) : separator_(std::move(separator)) {}

    [[nodiscard]] std::string_view type_name() const override { return "Joiner"; }
    [[nodiscard]] std::string repr() const override { return "<Joiner>"; }
    [[nodiscard]] int depth() const override { return separator_.depth() + 1; }
    [[nodiscard]] bool callable() const override { return true; }
    [[nodiscard]] Outcome<Value> call(Render& render, const Arguments& arguments) override;

  private:
    Value separator_;
    bool used_ = false;
};

}  // namespace weft::jinja
