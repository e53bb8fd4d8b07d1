#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "gotemplate/budget.h"
#include "gotemplate/value.h"

namespace weft::gotemplate {

struct Syntax;

inline constexpr std::size_t max_template_bytes = std::size_t{1} << 20;

// A parsed template in the language of Go's text/template, with the functions that Ollama adds. Immutable; copies
// share. Thread: any.
class Template {
  public:
    // invalid_request "template error: line N: ..." for bad syntax, an unknown function or variable, a source that is
    // too long or nested too deeply.
    [[nodiscard]] static Result<Template> parse(std::string_view source);

    struct Options {
        Budget budget{};
        Meter* meter = nullptr;  // counts several renderings together; the budget is then its own
        std::optional<std::chrono::system_clock::time_point> now{};  // absent: the real time
        // Leaves out everything behind the first action that prints this field of the data, if any does.
        std::string_view cut_behind{};
    };

    // data: what . and $ are. invalid_request for what Go would refuse, and beyond the budget.
    [[nodiscard]] Result<std::string> render(const Value& data, const Options& options) const;
    [[nodiscard]] Result<std::string> render(const Value& data) const { return render(data, Options{}); }

    // Whether a field of this name is read anywhere.
    [[nodiscard]] bool mentions(std::string_view field) const;

  private:
    explicit Template(std::shared_ptr<const Syntax> syntax) : syntax_(std::move(syntax)) {}

    std::shared_ptr<const Syntax> syntax_;
};

}  // namespace weft::gotemplate
