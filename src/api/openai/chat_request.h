#pragma once

#include "api/json_reader.h"
#include "api/openai/request_fields.h"
#include "services/chat/chat_service.h"

namespace weft::api::openai {

// A chat completion request, checked.
struct ChatCall {
    ChatRequest request;  // its prompt is a ChatPrompt
    StreamFields stream;
    bool legacy_functions = false;  // the answer is worded with function_call instead of tool_calls
    bool separate_thinking = true;  // reasoning goes into fields of its own instead of staying in the content
};

// Every rule of the request that needs no model. An error names the field.
[[nodiscard]] Result<ChatCall> read_chat_call(const JsonReader& body);

// Parts of it that other requests for an answer have too.

// What is asked and what the answer must look like: messages, tools, thinking and its budget, output format.
[[nodiscard]] Result<void> read_conversation(const JsonReader& body, GenerateRequest& generate);

// What is said about thinking, in any of its spellings, and what else the template sees besides the conversation.
[[nodiscard]] Result<void> read_template_fields(const JsonReader& body, ChatPrompt& prompt);

// The limit on thinking, in any of its spellings, the most specific first.
[[nodiscard]] Result<std::optional<std::uint32_t>> read_thinking_budget(const JsonReader& body);

// Fields that are accepted without an effect on the text; only what must be bounded is checked.
[[nodiscard]] Result<void> check_accepted(const JsonReader& body);

}  // namespace weft::api::openai
