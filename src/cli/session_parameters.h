#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "cli/ollama_client.h"

namespace weft::cli {

// The value of a generation option as JSON ("temperature", {"0.2"} -> 0.2), in the type that the Ollama API gives it.
// invalid_request for an unknown name or a value of another type.
[[nodiscard]] Result<JsonText> parse_parameter(std::string_view name, const std::vector<std::string>& values);

// All names that parse_parameter() knows.
[[nodiscard]] std::vector<std::string> parameter_names();

// "5m" or "-1" as the API wants it: numbers are seconds, all else is a duration string.
[[nodiscard]] JsonText parse_keep_alive(std::string_view text);

// "true", "false", "low", "medium", "high", "max"; invalid_request for anything else.
[[nodiscard]] Result<JsonText> parse_think(std::string_view text);

// "json", or a JSON Schema; invalid_request for anything else.
[[nodiscard]] Result<JsonText> parse_format(std::string_view text);

}  // namespace weft::cli
