#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "jinja/budget.h"
#include "jinja/value.h"

namespace weft::jinja {

struct Syntax;

inline constexpr std::size_t max_template_bytes = 1u << 20;

// A parsed prompt template: Jinja as Python's jinja2 3.1 renders it with the options of chat templates (trim_blocks,
// lstrip_blocks, loop controls, immutable sandbox, no HTML escaping, tojson as json.dumps) and with the two functions
// they add, raise_exception and strftime_now. Immutable; copies share. Thread: any.
class Template {
  public:
    // Fails with invalid_request: a syntax error with its line, a source that is too long or nested too deeply, a tag
    // that needs other files (include, import, extends).
    [[nodiscard]] static Result<Template> parse(std::string_view source);

    struct Options {
        Budget budget{};
        // What strftime_now shows, in UTC unless TZ says otherwise; the real time when absent.
        std::optional<std::chrono::system_clock::time_point> now{};
    };

    // variables: a dict. Fails with invalid_request: the message of raise_exception as it is, or what went wrong and in
    // which line; a template that loops, recurses or grows without end exceeds the budget.
    [[nodiscard]] Result<std::string> render(const Value& variables, const Options& options) const;
    [[nodiscard]] Result<std::string> render(const Value& variables, const Budget& budget = {}) const;

    // Whether the template reads a variable, attribute or entry of this name anywhere ("tools", "enable_thinking",
    // "reasoning_content"): what a server may conclude about the model.
    [[nodiscard]] bool mentions(std::string_view name) const;
    [[nodiscard]] const std::vector<std::string>& mentioned_names() const;  // sorted

  private:
    explicit Template(std::shared_ptr<const Syntax> syntax) : syntax_(std::move(syntax)) {}

    std::shared_ptr<const Syntax> syntax_;
};

}  // namespace weft::jinja
