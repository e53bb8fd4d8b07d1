#pragma once

#include "api/ollama/generation.h"

namespace weft::api::ollama {

// The body of POST /api/chat.
struct ChatBody {
    GenerationFields fields;
    std::vector<ChatMessage> messages{};
    ChatPrompt tools{};  // only what it says about tools counts

    [[nodiscard]] bool only_loads() const { return messages.empty(); }
};

inline constexpr std::size_t max_messages = 1U << 16U;
inline constexpr std::size_t max_role_bytes = 64;

[[nodiscard]] Result<ChatBody> parse_chat(const JsonReader& body);

// What it means for a model that can do it; unsupported otherwise.
[[nodiscard]] Result<Generation> generation_of(const ChatBody& body, const ModelInfo& model);

}  // namespace weft::api::ollama
