#pragma once

#include "api/json_reader.h"
#include "runner/generation.h"

namespace weft::api::openai {

inline constexpr std::size_t max_guided_choices = 1024;

// What the answer must look like: response_format, text.format in Responses, and the same wish as Ollama (format), llama-server (grammar,
// json_schema) and vLLM (guided_*, structured_outputs) spell it. Two of them at once are refused. Schemas are checked by
// the engine process, which also finds out what cannot be enforced; only a response_format that is not strict lets such
// keywords go.
[[nodiscard]] Result<void> read_output_format(const JsonReader& body, GenerateRequest& generate);

}  // namespace weft::api::openai
