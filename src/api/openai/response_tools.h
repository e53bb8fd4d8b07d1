#pragma once

#include <set>
#include <string>

#include "api/json_reader.h"
#include "runner/generation.h"

namespace weft::api::openai {

// `tools`, `tool_choice` and `parallel_tool_calls` of a Responses request. Tools that OpenAI runs itself (web_search,
// file_search, ...) are left out: clients send some as a matter of course; forcing one is an error. Returns the names of
// custom tools, which take free text: the model sees functions with one argument, `input`.
[[nodiscard]] Result<std::set<std::string>> read_response_tools(const JsonReader& body, ChatPrompt& prompt);

}  // namespace weft::api::openai
