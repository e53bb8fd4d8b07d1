#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weft::cli {

// A script that completes weft's subcommands, options and, by asking the server, model names. Nothing for a shell other
// than bash, zsh and fish.
[[nodiscard]] std::optional<std::string> completion_script(std::string_view shell);

}  // namespace weft::cli
