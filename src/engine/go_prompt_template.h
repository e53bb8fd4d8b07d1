#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "runner/generation.h"

namespace weft {

// The text of a chat prompt by a Go template, with the data and in the manner of Ollama. A template that never reads
// .Messages is written for one exchange and runs once for each, the last one cut behind .Response; with a suffix it gets
// .Prompt (the last message) and .Suffix; unsupported when it reads no .Suffix. invalid_request "template error: ..." and what the budget refuses.
[[nodiscard]] Result<std::string> render_go_template(std::string_view source, const ChatPrompt& prompt);

}  // namespace weft
