#pragma once

#include <cstddef>
#include <glaze/json/generic.hpp>
#include <string>
#include <string_view>

#include "base/error.h"

namespace weft {

using SchemaJson = glz::generic_u64;  // keeps the order of keys and whole numbers whole

inline constexpr int max_schema_depth = 96;            // of brackets in the text
inline constexpr std::size_t max_schema_members = 2048;  // of one object

// Bounded parse of a schema. invalid_request otherwise.
[[nodiscard]] Result<SchemaJson> parse_schema_json(std::string_view text);

// Compact, keys in their order.
[[nodiscard]] std::string compact_json(const SchemaJson& value);

// The member of an object, null when there is none or `value` is no object.
[[nodiscard]] const SchemaJson* member(const SchemaJson& value, std::string_view key);

}  // namespace weft
