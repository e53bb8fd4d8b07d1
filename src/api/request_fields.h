#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json_reader.h"
#include "http/exchange.h"
#include "services/chat/chat_service.h"

// What the dialects under /v1 read alike.
namespace weft::api {

inline constexpr std::size_t max_model_name_characters = 256;

// The body as a JSON object.
[[nodiscard]] Result<Json> body_of(const http::Request& request);

[[nodiscard]] Result<std::string> read_model(const JsonReader& body);

// Ollama's: "10m", or a number of seconds; negative means for ever.
[[nodiscard]] Result<std::optional<KeepAlive>> read_keep_alive(const JsonReader& value);

// The first of several names, at the top level and then among Ollama's `options`.
[[nodiscard]] JsonReader pick(const JsonReader& body, std::initializer_list<std::string_view> names);

// Ollama's `options` in another dialect: an object, whose members have the types that they have there, also those that
// have no effect here and those that the request says again itself.
[[nodiscard]] Result<void> check_options(const JsonReader& options);

// A stop string or several.
[[nodiscard]] Result<void> read_stop(std::optional<std::vector<std::string>>& target, const JsonReader& value);

// Sampling values, num_ctx, keep_alive and priority: the dialects' own fields and the extensions of other servers, which
// may also stand in an `options` object. What the dialect spells out wins over an extension.
[[nodiscard]] Result<void> read_samplers(const JsonReader& body, ChatRequest& request);

// Models that do not think ignore every wish about it. The prompt is a ChatPrompt.
void settle_thinking(GenerateRequest& generate, const ModelInfo& model);

}  // namespace weft::api
