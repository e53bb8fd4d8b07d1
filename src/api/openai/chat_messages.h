#pragma once

#include <vector>

#include "api/json_reader.h"
#include "runner/generation.h"

namespace weft::api::openai {

inline constexpr std::size_t max_messages = 100'000;

// The conversation of a chat request: roles, text parts, tool calls and their results, reasoning. An error names the
// message and the field ("messages[2].content[0].text").
[[nodiscard]] Result<std::vector<ChatMessage>> read_messages(const JsonReader& messages);

}  // namespace weft::api::openai
