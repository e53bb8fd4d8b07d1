#pragma once

#include "api/json_reader.h"
#include "runner/generation.h"

namespace weft::api::anthropic {

// `tools` and `tool_choice` of a request. Tools that the hosted API runs itself (web_search_..., bash_..., ...) are left
// out: clients add them as a matter of course.
[[nodiscard]] Result<void> read_tools_and_choice(const JsonReader& body, ChatPrompt& prompt);

}  // namespace weft::api::anthropic
