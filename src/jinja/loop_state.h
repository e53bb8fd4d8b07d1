#pragma once

#include <memory>
#include <optional>

#include "jinja/ast.h"
#include "jinja/object.h"
#include "jinja/scope.h"

namespace weft::jinja {

// The variable `loop`.
class LoopState final : public Object {
  public:
    LoopState(const For& node, std::shared_ptr<const Sequence> items, const std::shared_ptr<Scope>& outer, int depth0)
        : node_(node), items_(std::move(items)), outer_(outer), depth0_(depth0) {}

    void move_to(std::size_t index0) { index0_ = index0; }

    [[nodiscard]] std::string_view type_name() const override { return "LoopContext"; }
    [[nodiscard]] std::string repr() const override;
    [[nodiscard]] int depth() const override { return items_->depth + 1; }
    [[nodiscard]] std::optional<Value> attribute(std::string_view name) override;
    [[nodiscard]] std::ptrdiff_t length() const override { return static_cast<std::ptrdiff_t>(items_->items.size()); }

    // loop(items) in a recursive loop: the body again, one level down.
    [[nodiscard]] bool callable() const override { return true; }
    [[nodiscard]] Outcome<Value> call(Render& render, const Arguments& arguments) override;

    [[nodiscard]] std::size_t index0() const { return index0_; }
    // loop.changed(values): whether they differ from those of the call before.
    [[nodiscard]] bool changed(const std::vector<Value>& values);

  private:
    const For& node_;
    const std::shared_ptr<const Sequence> items_;
    const std::weak_ptr<Scope> outer_;
    const int depth0_;
    std::size_t index0_ = 0;
    std::optional<Value> last_values_;
};

}  // namespace weft::jinja
