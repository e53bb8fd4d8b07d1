#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"
#include "engine/loaded_model.h"
#include "engine/projector.h"
#include "runner/generation.h"

namespace weft {

// The text of a chat prompt, by the model's template; without one, the messages' contents one after the other.
[[nodiscard]] Result<std::string> render_chat(const LoadedModel& model, const ChatPrompt& prompt);

// Looks at images: null for a model that cannot.
struct ImageEyes {
    Projector* projector = nullptr;
    std::int32_t most_rows = 0;  // of one decode call
};

// Tokens, and runs of rows where images stand.
struct PreparedPrompt {
    std::vector<Token> tokens;
    std::vector<ImageSpan> images{};
    bool truncated = false;  // something of it did not fit into the window and was left out
};

// A request's prompt: rendered, tokenized, BOS exactly once, cut to the window if the request allows it. What clients
// wrote is text, whatever special tokens it looks like; only raw prompts may hold those.
// At least one token, fewer than `window`. invalid_request, unsupported, context_overflow. Thread: intake.
[[nodiscard]] Result<PreparedPrompt> prepare_prompt(const LoadedModel& model, const GenerateRequest& request,
                                                    std::int32_t window, const ImageEyes& eyes = {});

// The whole of a chat prompt, however long; with a window, of what is many times longer only the beginning and the end.
[[nodiscard]] Result<PreparedPrompt> chat_tokens(const LoadedModel& model, const ChatPrompt& prompt, const ImageEyes& eyes = {},
                                                 std::int32_t window = 0);

}  // namespace weft
