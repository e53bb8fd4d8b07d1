#pragma once

#include "api/ollama/generation.h"

namespace weft::api::ollama {

// The body of POST /api/generate.
struct GenerateBody {
    GenerationFields fields;
    std::string prompt{};
    std::string suffix{};
    std::string system{};
    std::string go_template{};  // instead of the model's own; rendered where the model is
    bool raw = false;
    std::vector<Token> context{};
    std::vector<ChatImage> images{};

    [[nodiscard]] bool only_loads() const { return prompt.empty() && images.empty(); }
};

inline constexpr std::size_t max_context_field_tokens = 1U << 20U;

[[nodiscard]] Result<GenerateBody> parse_generate(const JsonReader& body);

// What it means for a model that can do it; unsupported otherwise.
[[nodiscard]] Result<Generation> generation_of(const GenerateBody& body, const ModelInfo& model);

}  // namespace weft::api::ollama
