#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "jinja/failure.h"
#include "jinja/value.h"

namespace weft::jinja {

[[nodiscard]] constexpr bool is_decimal(char c) { return c >= '0' && c <= '9'; }

// What stands between the quotes, Python's escapes resolved.
[[nodiscard]] Outcome<std::string> unescape_string_literal(std::string_view literal);

struct NumberLiteral {
    Value value{};  // undefined when it is out of range
    std::size_t length = 0;
};

// The number that text starts with: 1, 1_000, 0x1f, 0b1, 0o7, 1.5, 1e3. previous is the character before it: "x.1.5" is
// two items, not an item and a fraction.
[[nodiscard]] NumberLiteral scan_number_literal(std::string_view text, char previous);

}  // namespace weft::jinja
