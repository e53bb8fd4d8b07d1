#pragma once

#include <string>
#include <vector>

#include "api/json_reader.h"
#include "runner/generation.h"

namespace weft::api::anthropic {

inline constexpr std::size_t max_messages = 100'000;

// The conversation: `system` as its first turn, then `messages`. Tool results become turns of their own, before the rest
// of their message; consecutive turns of one role are merged; blocks that this server has no use for are skipped. An
// error names the block ("messages[2].content[0].text").
[[nodiscard]] Result<std::vector<ChatMessage>> read_conversation(const JsonReader& body);

}  // namespace weft::api::anthropic
