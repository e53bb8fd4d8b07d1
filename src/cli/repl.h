#pragma once

#include "base/error.h"
#include "cli/chat_session.h"
#include "cli/ollama_client.h"
#include "cli/terminal.h"

namespace weft::cli {

// The conversation of `weft run MODEL` on a terminal: questions, answers and /commands until /bye or Ctrl-D. Only the
// first load of the model can fail; later errors are shown and the conversation goes on. Thread: main.
[[nodiscard]] Result<void> converse_on_terminal(OllamaClient& client, const Terminal& terminal, ChatSession& session);

}  // namespace weft::cli
