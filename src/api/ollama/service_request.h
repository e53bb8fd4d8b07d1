#pragma once

#include "api/ollama/generation.h"

namespace weft::api::ollama {

// How the model's template is told to think, or not to. A model that can think does so unless it is told not to.
void set_thinking(ChatPrompt& prompt, const ThinkSetting& think, const ModelInfo& model);

// The request that goes to the service, with the dialect's sampling defaults and limits. The window that limits derive
// from is the one asked for, else the model's, else default_context_tokens.
[[nodiscard]] ChatRequest to_chat_request(const Generation& generation, const ModelInfo& model,
                                          std::uint32_t default_context_tokens);

}  // namespace weft::api::ollama
