#pragma once

#include "app/config.h"

namespace weft {

// Of ./dev: a folder that is served beside the configured ones.
inline constexpr const char* demo_models_variable = "WEFT_DEMO_MODELS_DIR";

// Ollama's variables that have a meaning here. As with Ollama a bad value only warns, and the default stays.
void bind_ollama_environment(const std::map<std::string, std::string>& environment, Config& config,
                             std::vector<ConfigProblem>& warnings);

// WEFT_SERVER_PORT and so on, one for each key. A bad value is a problem; a name that is like a key's but is none, a warning.
void bind_weft_environment(const std::map<std::string, std::string>& environment, Config& config,
                           std::vector<ConfigProblem>& problems, std::vector<ConfigProblem>& warnings);

}  // namespace weft
