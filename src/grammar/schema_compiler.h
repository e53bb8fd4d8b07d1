#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "grammar/gbnf_builder.h"
#include "grammar/number_ranges.h"
#include "grammar/schema_json.h"

namespace weft {

inline constexpr int max_schema_nesting = 128;            // of schemas within schemas, references followed
inline constexpr std::size_t max_schema_steps = 60'000;   // schemas looked at, a merged one counts again
inline constexpr std::size_t max_union_branches = 512;

// Translates one JSON Schema. Every text that its rules produce is valid for the schema; not every valid text is
// produced (keys come in the schema's order, members that it does not speak of are left out, ...).
// Lives for one call of GbnfBuilder::add_schema.
class SchemaCompiler {
  public:
    [[nodiscard]] static Result<std::string> add(GbnfBuilder& builder, std::string_view schema_json);

  private:
    // The rule for a schema's values; nothing when there are none (the schema is false, or contradicts itself).
    using Rule = std::optional<std::string>;
    using Path = const std::string&;  // where it stands in the schema: "$.properties.a"

    SchemaCompiler(GbnfBuilder& builder, const SchemaJson& root) : builder_(builder), root_(root) {}

    // ---- schema_compiler.cpp ----
    [[nodiscard]] Result<Rule> rule_for(const SchemaJson& schema, Path path, std::string_view name);
    [[nodiscard]] Result<Rule> body_of(const SchemaJson& schema, Path path, std::string_view name);
    [[nodiscard]] Result<void> check_keywords(const SchemaJson& schema, Path path);
    [[nodiscard]] Result<const SchemaJson*> resolve(const SchemaJson& reference, Path path) const;
    // The schemas of anyOf or oneOf, each together with what stands beside them.
    [[nodiscard]] Result<std::vector<SchemaJson>> merged_branches(const SchemaJson& schema, const std::string& keyword, Path path);
    [[nodiscard]] Result<Rule> union_of(const SchemaJson& schema, const std::string& keyword, Path path, std::string_view name);
    [[nodiscard]] Result<Rule> listed(const SchemaJson& schema, Path path);
    // Whether one of the values of an enum keeps to the other keywords beside it.
    [[nodiscard]] Result<bool> allows(const SchemaJson& schema, const SchemaJson& value, Path path) const;
    [[nodiscard]] Result<Rule> typed(const SchemaJson& schema, Path path, std::string_view name);
    [[nodiscard]] Result<Rule> of_type(const SchemaJson& schema, std::string_view type, Path path, std::string_view name);
    [[nodiscard]] Result<std::vector<std::string>> types_of(const SchemaJson& schema, Path path) const;
    [[nodiscard]] bool too_much() const;
    [[nodiscard]] Result<void> step(Path path);
    // Refuses a keyword, or lets it go where the caller wants that.
    [[nodiscard]] Result<void> cannot(std::string_view keyword, Path path, std::string_view why = "") const;
    [[nodiscard]] static std::unexpected<Error> wrong(Path path, std::string message);
    [[nodiscard]] Result<std::optional<std::uint64_t>> count_in(const SchemaJson& schema, std::string_view key, Path path) const;

    // ---- schema_merge.cpp ----
    // Valid for both.
    [[nodiscard]] Result<SchemaJson> merge(const SchemaJson& a, const SchemaJson& b, Path path);
    [[nodiscard]] Result<SchemaJson> flattened(const SchemaJson& schema, Path path);
    [[nodiscard]] Result<void> merge_keyword(SchemaJson& into, const std::string& key, const SchemaJson& value, Path path);
    [[nodiscard]] Result<void> merge_properties(SchemaJson& into, const SchemaJson& a, const SchemaJson& b, Path path);
    [[nodiscard]] Result<void> merge_items(SchemaJson& into, const SchemaJson& a, const SchemaJson& b, Path path);
    [[nodiscard]] Result<SchemaJson> merge_branches(const SchemaJson& a, const SchemaJson& b, Path path);

    // ---- schema_exclusive.cpp ----
    // Schemas whose texts are valid for branches[i] and for no other branch.
    [[nodiscard]] Result<std::vector<SchemaJson>> exclusive(const std::vector<SchemaJson>& branches, std::size_t i, Path path);
    // Schemas whose texts are those of the first one (or some of them) that are not valid for the other. None: each is
    // valid for both. Nothing: it cannot be told.
    using Alternatives = std::optional<std::vector<SchemaJson>>;
    [[nodiscard]] Result<Alternatives> without(const SchemaJson& schema, const SchemaJson& other, Path path);
    [[nodiscard]] Result<Alternatives> without_flat(const SchemaJson& schema, const SchemaJson& other, Path path);
    [[nodiscard]] Result<Alternatives> without_union(const SchemaJson& a, const SchemaJson& b, const std::string& keyword, Path path);
    [[nodiscard]] Result<Alternatives> union_without(const SchemaJson& a, const std::string& keyword, const SchemaJson& b, Path path);
    [[nodiscard]] Result<Alternatives> without_values(const SchemaJson& a, const std::vector<SchemaJson>& values, const SchemaJson& b, Path path);
    [[nodiscard]] Result<Alternatives> without_typed(const SchemaJson& a, std::string_view type, const SchemaJson& b, Path path);
    [[nodiscard]] Result<Alternatives> without_object(const SchemaJson& a, const SchemaJson& b, Path path);
    [[nodiscard]] Result<Alternatives> without_array(const SchemaJson& a, const SchemaJson& b, Path path);
    // Whether a value is valid for a schema.
    enum class Verdict : std::uint8_t { no, unknown, yes };
    [[nodiscard]] Result<Verdict> holds(const SchemaJson& value, const SchemaJson& schema, Path path);
    [[nodiscard]] Result<Verdict> holds_keyword(const SchemaJson& value, const SchemaJson& schema, const std::string& keyword,
                                                const SchemaJson& expected, Path path);
    [[nodiscard]] Result<Verdict> holds_properties(const SchemaJson& value, const SchemaJson& properties, Path path);
    [[nodiscard]] Result<Verdict> holds_union(const SchemaJson& value, const std::string& keyword, const SchemaJson& branches, Path path);

    // ---- schema_objects.cpp ----
    struct Property {
        std::string name;
        std::string rule;  // key, colon and value; empty: it has no value, and no other member takes its name
        bool required;
    };
    struct Additional {
        std::string rule;  // key, colon and value; empty: there are no others
        std::uint64_t least = 0;
        std::optional<std::uint64_t> most{};
    };
    [[nodiscard]] Result<Rule> object(const SchemaJson& schema, Path path, std::string_view name);
    [[nodiscard]] Result<std::optional<std::vector<Property>>> properties_of(const SchemaJson& schema, Path path);
    [[nodiscard]] Result<SchemaJson> property_schema(const SchemaJson& schema, const std::string& name,
                                                     const SchemaJson* declared, Path path);
    [[nodiscard]] Result<Additional> additional_of(const SchemaJson& schema, const std::vector<Property>& properties, Path path);
    [[nodiscard]] Result<bool> matches_pattern(const std::string& pattern, const std::string& name, Path path);
    [[nodiscard]] Result<std::string> pattern_member(const SchemaJson& schema, const std::vector<Property>& properties, Path path);
    [[nodiscard]] Result<std::string> member_key(const SchemaJson& schema, const std::vector<Property>& properties, Path path);
    [[nodiscard]] Result<void> check_counts(const SchemaJson& schema, const std::vector<Property>& properties,
                                            Additional& additional, bool& not_empty, Path path);
    [[nodiscard]] std::string members(const std::vector<Property>& properties, const Additional& additional, bool not_empty,
                                      std::string_view name);

    // ---- schema_arrays.cpp, schema_scalars.cpp ----
    [[nodiscard]] Result<Rule> array(const SchemaJson& schema, Path path, std::string_view name);
    [[nodiscard]] Result<Rule> string(const SchemaJson& schema, Path path, std::string_view name);
    [[nodiscard]] Result<Rule> number(const SchemaJson& schema, bool whole, Path path);
    [[nodiscard]] static Result<NumberBounds> bounds_of(const SchemaJson& schema, Path path);

    GbnfBuilder& builder_;
    const SchemaJson& root_;
    std::unordered_map<std::string, Rule> rules_;  // schema as compact JSON -> its rule, from when it is begun
    std::unordered_set<std::string> open_;         // begun, and nothing was consumed since: meeting one again is a loop
    std::size_t steps_ = 0;  // only grow, as the grammar does: too much stays too much
    int depth_ = 0;
    int merge_depth_ = 0;
    int exclusion_depth_ = 0;
    std::size_t compared_ = 0;  // pairs of alternatives
};

}  // namespace weft
