#pragma once

#include <set>
#include <string>
#include <vector>

#include "api/openai/services.h"
#include "api/json_reader.h"

namespace weft::api::openai {

// A Responses request, checked.
struct ResponseCall {
    ChatRequest request;  // its prompt is a ChatPrompt
    bool stream = false;
    bool store = true;
    bool encrypted_reasoning = false;  // reasoning items carry `encrypted_content`
    std::string previous_id{};
    std::vector<StoredItem> input{};        // of this request alone
    std::set<std::string> custom_tools{};   // calls of these are custom_tool_call items
    std::string echo{};                     // what the response repeats of the request: ,"instructions":...
};

// Every rule of the request that needs no model. An error names the field.
[[nodiscard]] Result<ResponseCall> read_response_call(const JsonReader& body, const Services& services);

}  // namespace weft::api::openai
