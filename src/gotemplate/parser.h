#pragma once

#include <string_view>

#include "base/error.h"
#include "gotemplate/ast.h"

namespace weft::gotemplate {

// Nesting of blocks and parentheses that is accepted: bounds the parser's own recursion and that of every later walk.
inline constexpr int max_nesting = 150;

// invalid_request "template error: line N: ...".
[[nodiscard]] Result<Syntax> parse(std::string_view source);

}  // namespace weft::gotemplate
