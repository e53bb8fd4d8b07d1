#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.h"
#include "app/config_keys.h"

namespace weft {

enum class ConfigFormat { yaml, toml, json };

inline constexpr std::uint64_t max_config_bytes = 1 << 20;
inline constexpr int max_config_depth = 32;

// A key as it stands in a file.
struct ConfigPlace {
    std::string path;    // "server.port"; keys that hold dots are still joined by '.'
    int line = 0;        // from 1
};

// A file's content: a tree of values, and where its keys stand.
struct ConfigFile {
    std::string name;    // "weft.yaml", for messages
    ConfigFormat format = ConfigFormat::yaml;
    std::map<std::string, ConfigNode> root{};
    std::vector<ConfigPlace> places{};

    // "weft.yaml line 3": of the key, or of the nearest key above it that was found.
    [[nodiscard]] std::string place_of(std::string path) const;
};

// By extension; nothing for any other.
[[nodiscard]] std::optional<ConfigFormat> config_format(const std::filesystem::path& path);

// Reads and parses. Nothing, and a problem that says where, when that fails; keys that stand there twice are problems, too.
[[nodiscard]] std::optional<ConfigFile> read_config_file(const std::filesystem::path& path,
                                                         std::vector<ConfigProblem>& problems);
[[nodiscard]] std::optional<ConfigFile> parse_config(std::string name, ConfigFormat format, const std::string& text,
                                                     std::vector<ConfigProblem>& problems);

// Where each key stands. Understands the shapes that people write by hand, not all of YAML: what it misses is reported at
// the line of the key above.
[[nodiscard]] std::vector<ConfigPlace> find_config_places(ConfigFormat format, std::string_view text);

}  // namespace weft
