#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"

namespace weft {

inline constexpr std::size_t max_schema_bytes = std::size_t{512} * 1024;
inline constexpr std::size_t max_grammar_rules = 50'000;
inline constexpr std::size_t max_grammar_bytes = std::size_t{2} * 1024 * 1024;

// What to do with a keyword of a JSON Schema that a grammar cannot express. docs/structured-output.md lists them.
enum class Unenforceable : std::uint8_t {
    refuse,  // an error that names keyword and path
    ignore,  // answers may violate that keyword, and only that
};

// Writes a grammar in GBNF, rule by rule: for schemas, and for what stands around them.
//
//     GbnfBuilder builder;
//     WEFT_TRY(const auto arguments, builder.add_schema(schema_json));
//     const auto root = builder.add_rule("call", GbnfBuilder::literal("<tool_call>") + " " + arguments);
//     WEFT_TRY(auto text, std::move(builder).finish(root));
//
// Thread: one at a time.
class GbnfBuilder {
  public:
    explicit GbnfBuilder(Unenforceable unenforceable = Unenforceable::refuse) : unenforceable_(unenforceable) {}

    // A rule for compact or spaced JSON that is valid for the schema (draft 7 or 2020-12), from its first to its last
    // byte: no space around it. invalid_request for a schema that is malformed, contradicts itself, is too large or asks
    // for what cannot be enforced; the message names the keyword and its path in the schema ("$.properties.a.not").
    [[nodiscard]] Result<std::string> add_schema(std::string_view schema_json);

    // A JSON string's inside (without quotes) or, if raw, plain text that matches the regular expression as a whole (raw)
    // or that contains a match (not raw, as `pattern` means it).
    [[nodiscard]] Result<std::string> add_regex(std::string_view pattern, bool raw);

    std::string add_any_json();    // any JSON value
    std::string add_any_object();  // any JSON object
    // White space as it may stand between the parts of JSON: none, one space, or a line break with some indentation.
    std::string add_space();

    // `body` is the right side, in GBNF. The name that it gets is made of the wanted one (letters, digits, '-') and is
    // unique; never "root".
    std::string add_rule(std::string_view wanted_name, std::string body);
    // The same in two steps, for rules that refer to themselves.
    std::string reserve_rule(std::string_view wanted_name);
    void define_rule(const std::string& reserved_name, std::string body);
    // A rule with this body, whatever its name: equal bodies share one rule.
    std::string add_shared_rule(std::string_view wanted_name, const std::string& body);

    // The whole text: "root ::= <root_rule>" and all rules. invalid_request when it grew beyond the bounds above.
    [[nodiscard]] Result<std::string> finish(const std::string& root_rule) &&;

    // `text` as a quoted GBNF literal. UTF-8 stays as it is.
    [[nodiscard]] static std::string literal(std::string_view text);

    [[nodiscard]] Unenforceable unenforceable() const { return unenforceable_; }
    // Whether the bounds above are already broken; then going on is a waste.
    [[nodiscard]] bool too_large() const { return rules_ > max_grammar_rules || text_.size() > max_grammar_bytes; }

  private:
    Unenforceable unenforceable_;
    std::string text_;
    std::size_t rules_ = 0;
    std::unordered_set<std::string> names_;
    std::unordered_map<std::string, std::uint32_t> next_suffix_;   // wanted name -> number to try next
    std::unordered_map<std::string, std::string> shared_;          // body -> rule
    std::string any_json_;                                         // rules, once they are asked for
    std::string any_object_;
};

}  // namespace weft
