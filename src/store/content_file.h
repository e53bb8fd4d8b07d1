#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.h"

namespace weft {

// Whole on disk, its name included, when this returns; nothing is left of it otherwise. storage_full when it does not fit.
[[nodiscard]] Result<void> write_content(const std::filesystem::path& file, std::string_view content);
[[nodiscard]] Result<std::string> read_content(const std::filesystem::path& file);

}  // namespace weft
