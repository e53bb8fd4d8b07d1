#pragma once

#include "api/json_reader.h"
#include "services/chat/chat_service.h"

namespace weft::api::anthropic {

// A messages request, checked.
struct MessageCall {
    ChatRequest request;  // its prompt is a ChatPrompt
    bool stream = false;
    bool show_thinking = true;  // false: thinking blocks come without their text
};

// Every rule of the request that needs no model. An error names the field.
[[nodiscard]] Result<MessageCall> read_message_call(const JsonReader& body);

// The part of it that decides how long the prompt is; max_tokens and sampling are not looked at.
[[nodiscard]] Result<MessageCall> read_count_call(const JsonReader& body);

}  // namespace weft::api::anthropic
