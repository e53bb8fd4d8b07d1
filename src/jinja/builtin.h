#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "jinja/failure.h"
#include "jinja/object.h"
#include "jinja/value.h"

namespace weft::jinja {

class Meter;
class Render;

inline constexpr std::size_t max_builtin_parameters = 6;

// A builtin's parameters, read from words: "old new count?" takes two and perhaps a third. "*" takes anything, which the
// function then finds in Call::given.
struct ParameterList {
    std::array<std::string_view, max_builtin_parameters> names{};
    std::size_t count = 0;
    std::size_t required = 0;
    bool variadic = false;

    consteval ParameterList(const char* words) {
        const std::string_view text(words);
        for (std::size_t at = 0; at < text.size();) {
            std::size_t end = text.find(' ', at);
            if (end == text.npos) end = text.size();
            add(text.substr(at, end - at));
            at = end + 1;
        }
    }

  private:
    consteval void add(std::string_view word) {
        if (word == "*") {
            variadic = true;
            return;
        }
        const bool optional = word.ends_with('?');
        if (!optional) required = count + 1;
        names[count++] = optional ? word.substr(0, word.size() - 1) : word;
    }
};

// One call of a builtin, its arguments sorted to its parameters.
struct Call {
    Render& render;
    const Value& subject;  // what stands before the | or the dot
    const Arguments& given;
    std::array<const Value*, max_builtin_parameters> bound{};  // null: not passed

    [[nodiscard]] bool has(std::size_t parameter) const { return bound[parameter] != nullptr; }
    [[nodiscard]] const Value& at(std::size_t parameter) const { return *bound[parameter]; }
    [[nodiscard]] Meter& meter() const;

    // The argument as a type, or the fallback when it was not passed; a failure for another type.
    [[nodiscard]] Outcome<std::int64_t> integer(std::size_t parameter, std::int64_t fallback) const;
    [[nodiscard]] Outcome<std::string_view> text(std::size_t parameter, std::string_view fallback = {}) const;
    [[nodiscard]] bool flag(std::size_t parameter, bool fallback = false) const;
};

using BuiltinFunction = Outcome<Value> (*)(Call& call);

// A filter, test, global function or method: its name, its parameters, its code.
struct Builtin {
    std::string_view name;
    ParameterList parameters;
    BuiltinFunction function;
};
using BuiltinTable = std::span<const Builtin>;

[[nodiscard]] Outcome<Value> invoke(Render& render, const Builtin& builtin, const Value& subject,
                                    const Arguments& arguments);

// Null when there is no such thing.
[[nodiscard]] const Builtin* find_filter(std::string_view name);
[[nodiscard]] const Builtin* find_test(std::string_view name);
[[nodiscard]] const Builtin* find_global(std::string_view name);
[[nodiscard]] const Builtin* find_method(const Value& object, std::string_view name);
[[nodiscard]] const Builtin* find_in(BuiltinTable table, std::string_view name);

// The tables, one per file.
[[nodiscard]] BuiltinTable text_filters();
[[nodiscard]] BuiltinTable sequence_filters();
[[nodiscard]] BuiltinTable selection_filters();
[[nodiscard]] BuiltinTable number_filters();
[[nodiscard]] BuiltinTable tests_table();
[[nodiscard]] BuiltinTable globals_table();
[[nodiscard]] BuiltinTable string_methods();
[[nodiscard]] BuiltinTable string_search_methods();
[[nodiscard]] BuiltinTable sequence_methods();
[[nodiscard]] BuiltinTable dict_methods();
[[nodiscard]] BuiltinTable number_methods();
[[nodiscard]] BuiltinTable loop_methods();

// A builtin as a value: a global function, or a method with the value it was read from.
class BuiltinObject final : public Object {
  public:
    explicit BuiltinObject(const Builtin& builtin, Value subject = {}) : builtin_(builtin), subject_(std::move(subject)) {}

    [[nodiscard]] std::string_view type_name() const override { return "builtin_function_or_method"; }
    [[nodiscard]] std::string repr() const override;
    [[nodiscard]] int depth() const override { return subject_.depth() + 1; }
    [[nodiscard]] bool callable() const override { return true; }
    [[nodiscard]] Outcome<Value> call(Render& render, const Arguments& arguments) override;

  private:
    const Builtin& builtin_;
    Value subject_;
};

}  // namespace weft::jinja
