#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weft::api {

// Appends the bytes in base64 (RFC 4648, section 4), with padding.
void append_base64(std::string& out, std::string_view bytes);

// Nothing for what is no base64 of that kind.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

}  // namespace weft::api
