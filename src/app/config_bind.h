#pragma once

#include "app/config_file.h"

namespace weft {

// Takes over everything a file says. Relative paths in it count from `folder`, the file's own. Problems are added, one for
// each key that is unknown or has a wrong value; what is right is taken over all the same.
void bind_config_file(const ConfigFile& file, const std::filesystem::path& folder, Config& config,
                      std::vector<ConfigProblem>& problems);

// The value of WEFT_MODELS: what stands below `models` in a file, as YAML or JSON ("{demo: {path: demo.gguf}}"). It adds to
// what the file says. place: for problems.
void bind_models_text(const std::string& place, const std::string& text, const std::filesystem::path& folder,
                      Config& config, std::vector<ConfigProblem>& problems);

// The value of WEFT_PIPELINES, likewise.
void bind_pipelines_text(const std::string& place, const std::string& text, Config& config, std::vector<ConfigProblem>& problems);

// `--set models.NAME.KEY=VALUE`; path is what follows "models.".
void bind_model_setting(const std::string& place, std::string_view path, const std::string& value,
                        const std::filesystem::path& folder, Config& config, std::vector<ConfigProblem>& problems);

// "unknown key, did you mean 'port'?"
[[nodiscard]] std::string unknown_key_message(const std::string& path);

// "~/x" is in the user's home; other relative paths count from `folder`.
[[nodiscard]] std::filesystem::path resolved_path(const std::string& path, const std::filesystem::path& folder);

}  // namespace weft
