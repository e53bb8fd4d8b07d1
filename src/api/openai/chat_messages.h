#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json_reader.h"
#include "runner/generation.h"

namespace weft::api::openai {

inline constexpr std::size_t max_messages = 100'000;

// The conversation of a chat request: roles, text and image parts, tool calls and their results, reasoning. An error names the
// message and the field ("messages[2].content[0].text").
[[nodiscard]] Result<std::vector<ChatMessage>> read_messages(const JsonReader& messages);

// Parts of it that the items of a Responses conversation have too.

// A string, or parts that are joined in their order, into a message that has its role and no content yet. False when
// absent.
[[nodiscard]] Result<bool> read_content(const JsonReader& content, ChatMessage& message);

// OpenAI sends arguments as JSON text; some clients send the object itself.
[[nodiscard]] Result<std::string> read_arguments(const JsonReader& arguments);

// A result that does not name its function is named after the call it answers; the last call of an id wins.
void name_tool_results(std::vector<ChatMessage>& messages);

}  // namespace weft::api::openai
