#pragma once

#include <string>
#include <vector>

#include "api/openai/request_fields.h"

namespace weft::api::openai {

// Each prompt is a generation of its own.
inline constexpr std::size_t max_prompts = 128;
inline constexpr std::size_t max_prompt_tokens = 1'000'000;

// A legacy completion request, checked.
struct CompletionCall {
    ChatRequest request;          // for every prompt the same; its own prompt is not used
    std::vector<Prompt> prompts;  // TextPrompt, TokenPrompt or InfillPrompt
    StreamFields stream;
    std::uint32_t choices = 1;     // per prompt, to be answered ...
    std::uint32_t candidates = 1;  // ... of so many that are generated
    bool echo = false;
    bool logprobs = false;  // the client wants them; ranking candidates needs them too
};

[[nodiscard]] Result<CompletionCall> read_completion_call(const JsonReader& body);

}  // namespace weft::api::openai
