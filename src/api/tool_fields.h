#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/json_reader.h"
#include "runner/generation.h"

// What requests of several dialects say about tools, in the form that OpenAI's chat completions gave it.
namespace weft::api {

inline constexpr std::size_t max_tools = 512;
inline constexpr std::size_t max_tool_name_bytes = 256;
inline constexpr std::size_t max_tool_bytes = std::size_t{512} * 1024;  // of one tool's JSON text

// Not empty, not too long, no control characters.
[[nodiscard]] Result<std::string> read_tool_name(const JsonReader& name);

// {"type":"function","function":{...}} as ChatPrompt::tools_json wants it, from the object with name, description and
// parameters. Templates read all three: what the client left out is put in empty. Of other members `kept_members` are kept,
// all of them if it is absent. schema_key: what the dialect calls the parameters.
[[nodiscard]] Result<std::string> function_tool(const JsonReader& function, std::string_view schema_key = "parameters",
                                                std::optional<std::span<const std::string_view>> kept_members = {});

// A list of {"type":"function","function":{...}}. Other types of tools are unsupported.
[[nodiscard]] Result<std::vector<std::string>> read_tools(const JsonReader& tools);

// The name that a tool of ChatPrompt::tools_json carries.
[[nodiscard]] std::string tool_name_of(const std::string& tool_json);

// "none", "auto", "required", "any", {"type":"function","function":{"name":..}}, {"type":"allowed_tools",..}, as a change
// of the prompt, whose tools are known already. A forced function is called exactly once.
[[nodiscard]] Result<void> apply_tool_choice(const JsonReader& choice, ChatPrompt& prompt);

// The same for a choice that is known to be one function of the request.
[[nodiscard]] Result<void> force_tool(const JsonReader& name, std::string_view field, ChatPrompt& prompt);

}  // namespace weft::api
