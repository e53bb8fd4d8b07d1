#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "registry/model_info.h"

// Models as Ollama's clients see them.
namespace weft::api::ollama {

struct ModelDetails {
    std::string parent_model;
    std::string format = "gguf";
    std::string family;
    std::vector<std::string> families;
    std::string parameter_size;
    std::string quantization_level;
    std::uint32_t context_length = 0;
    std::uint32_t embedding_length = 0;
};

[[nodiscard]] ModelDetails details_of(const ModelInfo& model);

}  // namespace weft::api::ollama
