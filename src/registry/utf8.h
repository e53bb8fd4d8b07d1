#pragma once

#include <string>

namespace weft {

// Replaces every byte that is not part of valid UTF-8 by U+FFFD. Text that is valid already is returned as it is.
[[nodiscard]] std::string valid_utf8(std::string text);

}  // namespace weft
