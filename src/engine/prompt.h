#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"
#include "engine/loaded_model.h"
#include "runner/generation.h"

namespace weft {

// The text of a chat prompt, by the model's template; without one, the messages' contents one after the other.
[[nodiscard]] Result<std::string> render_chat(const LoadedModel& model, const ChatPrompt& prompt);

// The tokens of a request's prompt: rendered, tokenized, BOS exactly once, cut to the window if the request allows it.
// At least one token, fewer than `window`. invalid_request, unsupported, context_overflow. Thread: intake.
[[nodiscard]] Result<std::vector<Token>> prepare_prompt(const LoadedModel& model, const GenerateRequest& request,
                                                        std::int32_t window);

}  // namespace weft
