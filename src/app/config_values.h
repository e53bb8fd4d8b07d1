#pragma once

// A configuration value as one of our types, or nothing when it is none. Texts are taken, too, since environment
// variables and the command line have nothing else: "8080" is a number, "on" a truth value.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/config_keys.h"

namespace weft {

[[nodiscard]] std::optional<std::string> config_text(const ConfigNode& value);   // numbers and flags are no texts
[[nodiscard]] std::optional<bool> config_flag(const ConfigNode& value);          // true, on, yes, 1 and their opposites
[[nodiscard]] std::optional<std::int64_t> config_integer(const ConfigNode& value);  // 1.0 is one
[[nodiscard]] std::optional<double> config_number(const ConfigNode& value);
[[nodiscard]] std::optional<std::uint64_t> config_bytes(const ConfigNode& value);   // "64MiB", "1.5 GB", 1024
[[nodiscard]] std::optional<double> config_share(const ConfigNode& value);          // "80%" is 0.8; over 0, at most 1
[[nodiscard]] std::optional<std::chrono::nanoseconds> config_duration(const ConfigNode& value);
[[nodiscard]] std::optional<std::vector<std::string>> config_texts(const ConfigNode& value);  // a single one is a list of one
[[nodiscard]] ConfigNode config_list_from_text(std::string_view text);              // "a, b"

// Blanks and one pair of quotes around it taken away.
[[nodiscard]] std::string_view trimmed(std::string_view text);

}  // namespace weft
