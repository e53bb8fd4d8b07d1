#pragma once

#include <functional>
#include <glaze/json/generic.hpp>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "app/config.h"
#include "base/error.h"

namespace weft {

using ConfigNode = glz::generic_u64;  // one value of a configuration file, whatever its format

// Where a setting's value goes. Its type says what is accepted.
using ConfigSlot = std::variant<std::string*, bool*, std::uint16_t*, std::uint32_t*, std::int32_t*, ByteSize*, MemoryLimit*,
                                std::chrono::nanoseconds*, std::vector<std::string>*>;

// One key: name, what it means (one sentence for the reference page) and where its value goes.
struct ConfigKey {
    std::string_view name;     // "server.port"; as variable WEFT_SERVER_PORT
    std::string_view meaning;
    std::function<ConfigSlot(Config&)> slot;
    std::int64_t minimum = 0;  // of numbers; durations may only be negative with -1 here (keep for ever)
    std::int64_t maximum = INT32_MAX;
    std::vector<std::string_view> choices{};  // of a text; empty: anything
};

// All keys but those below `models`.
[[nodiscard]] std::span<const ConfigKey> config_keys();
[[nodiscard]] const ConfigKey* find_config_key(std::string_view name);
[[nodiscard]] std::string environment_name(const ConfigKey& key);

// Message of the error: "must be a whole number from 1 to 65535".
[[nodiscard]] Result<void> assign(const ConfigKey& key, Config& config, const ConfigNode& value);
// From an environment variable or the command line. Lists are separated by commas.
[[nodiscard]] Result<void> assign_text(const ConfigKey& key, Config& config, std::string_view text);

// The candidate that was probably meant; empty when none is near.
[[nodiscard]] std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace weft
