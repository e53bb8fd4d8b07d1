#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weft::api {

// The prefix ("chatcmpl-") followed by 24 random letters and digits.
[[nodiscard]] std::string random_id(std::string_view prefix);
[[nodiscard]] std::int64_t system_unix_time();

}  // namespace weft::api
