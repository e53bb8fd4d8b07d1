#pragma once

#include "app/config_file.h"

namespace weft {

// Takes over everything a file says. Relative paths in it count from `folder`, the file's own. Problems are added, one for
// each key that is unknown or has a wrong value; what is right is taken over all the same.
void bind_config_file(const ConfigFile& file, const std::filesystem::path& folder, Config& config,
                      std::vector<ConfigProblem>& problems);

// "~/x" is in the user's home; other relative paths count from `folder`.
[[nodiscard]] std::filesystem::path resolved_path(const std::string& path, const std::filesystem::path& folder);

}  // namespace weft
