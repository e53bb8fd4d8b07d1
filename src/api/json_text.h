#pragma once

#include <string>
#include <string_view>

// Strings as JSON text, for answers that are written piece by piece instead of from a Json value.
namespace weft::api {

// Appends text as a JSON string, quotes included. Bytes that are no valid UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

// The bytes with every maximal invalid part replaced by U+FFFD.
[[nodiscard]] std::string valid_utf8(std::string_view bytes);

}  // namespace weft::api
