#pragma once

#include <cstddef>
#include <glaze/json/generic.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace weft {

using SchemaJson = glz::generic_u64;  // keeps the order of keys and whole numbers whole

inline constexpr int max_schema_depth = 96;            // of brackets in the text
inline constexpr std::size_t max_schema_members = 2048;  // of one object

// Bounded parse of a schema. invalid_request otherwise.
[[nodiscard]] Result<SchemaJson> parse_schema_json(std::string_view text);

// Keywords whose value is null are left out, as clients write what they do not set; but for the values themselves (const,
// default, enum and the like). With `lenient`, so are empty lists of an enum, which no value would fit.
void drop_null_keywords(SchemaJson& schema, bool lenient);

// Compact, keys in their order.
[[nodiscard]] std::string compact_json(const SchemaJson& value);

// The member of an object, null when there is none or `value` is no object.
[[nodiscard]] const SchemaJson* member(const SchemaJson& value, std::string_view key);

[[nodiscard]] SchemaJson json_of(bool value);
[[nodiscard]] SchemaJson empty_object();
[[nodiscard]] SchemaJson list_of(std::vector<SchemaJson> elements);
[[nodiscard]] inline bool is_true(const SchemaJson& value) { return value.is_boolean() && value.get<bool>(); }
[[nodiscard]] inline bool is_false(const SchemaJson& value) { return value.is_boolean() && !value.get<bool>(); }

// Whether a value has a type that a schema names.
[[nodiscard]] bool has_type(const SchemaJson& value, std::string_view type);

// A keyword that says nothing about values: title, description, ...
[[nodiscard]] bool is_annotation(std::string_view keyword);
// The one type that a keyword speaks of ("object" for "properties"); empty for the others.
[[nodiscard]] std::string_view type_of_keyword(std::string_view keyword);

}  // namespace weft
