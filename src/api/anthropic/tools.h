#pragma once

#include "api/json_reader.h"
#include "runner/generation.h"

namespace weft::api::anthropic {

inline constexpr std::size_t max_tools = 1024;
inline constexpr std::size_t max_tool_name_bytes = 256;

// `tools` and `tool_choice` of a request. Tools that the hosted API runs itself (web_search_..., bash_..., ...) are left
// out: clients add them as a matter of course.
[[nodiscard]] Result<void> read_tools(const JsonReader& body, ChatPrompt& prompt);

}  // namespace weft::api::anthropic
