#include "api/anthropic/tools.h"

#include <algorithm>
#include <set>

namespace weft::api::anthropic {
namespace {

Result<std::string> read_name(const JsonReader& value) {
    WEFT_TRY(auto name, value.string());
    if (!name || name->empty()) return value.missing();
    if (name->size() > max_tool_name_bytes)
        return value.invalid("must have at most " + std::to_string(max_tool_name_bytes) + " bytes");
    if (std::ranges::any_of(*name, [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
        return value.invalid("must not have control characters");
    return std::move(*name);
}

// Absent means: no arguments.
Result<Json> read_schema(const JsonReader& schema) {
    if (!schema.absent() && !schema.is_object()) return schema.wrong_type("an object");
    Json out = Json::object_t{};
    if (!schema.absent()) out = schema.json();
    WEFT_TRY(const auto type, schema["type"].string());
    if (type && *type != "object") return schema["type"].invalid("must be object");
    if (!type) out["type"] = "object";
    if (schema["properties"].absent()) out["properties"] = Json::object_t{};
    return out;
}

// The tool as the prompt templates know it.
Result<std::string> read_client_tool(const JsonReader& tool, const std::string& name) {
    Json function = Json::object_t{};
    function["name"] = name;
    WEFT_TRY(auto description, tool["description"].string());
    if (description) function["description"] = std::move(*description);
    WEFT_TRY(function["parameters"], read_schema(tool["input_schema"]));
    WEFT_TRY(const auto strict, tool["strict"].boolean());
    if (strict.value_or(false)) function["strict"] = true;
    Json out = Json::object_t{};
    out["type"] = "function";
    out["function"] = std::move(function);
    return api::write_json(out);
}

Result<std::set<std::string>> read_tool_list(const JsonReader& tools, ChatPrompt& prompt) {
    std::set<std::string> names;
    WEFT_TRY(const auto list, tools.array());
    if (!list) return names;
    if (list->size() > max_tools) return tools.invalid("must have at most " + std::to_string(max_tools) + " tools");
    for (const auto& tool : *list) {
        if (!tool.is_object()) return tool.wrong_type("an object");
        WEFT_TRY(const auto type, tool["type"].string());
        if (type && *type != "custom") continue;
        WEFT_TRY(const auto name, read_name(tool["name"]));
        if (!names.insert(name).second) return tool["name"].invalid("must differ from the names of the other tools");
        WEFT_TRY(auto json, read_client_tool(tool, name));
        prompt.tools_json.push_back(std::move(json));
    }
    return names;
}

Result<void> read_choice(const JsonReader& choice, const std::set<std::string>& names, ChatPrompt& prompt) {
    if (choice.absent()) return {};
    if (!choice.is_object()) return choice.wrong_type("an object");
    WEFT_TRY(const auto type, choice["type"].string());
    if (!type) return choice["type"].missing();
    WEFT_TRY(const auto single, choice["disable_parallel_tool_use"].boolean());
    prompt.parallel_tool_calls = !single.value_or(false);
    if (*type == "auto") return {};
    if (*type == "none") {
        prompt.tool_choice = ToolChoice::none;
        return {};
    }
    if (*type != "any" && *type != "tool") return choice["type"].invalid("must be one of auto, any, tool, none");
    if (names.empty()) return choice.invalid("needs tools that this server can offer to the model");
    prompt.tool_choice = ToolChoice::required;
    if (*type == "any") return {};
    WEFT_TRY(prompt.tool_choice_name, read_name(choice["name"]));
    if (!names.contains(prompt.tool_choice_name)) return choice["name"].invalid("must be the name of one of the tools");
    return {};
}

}  // namespace

Result<void> read_tools(const JsonReader& body, ChatPrompt& prompt) {
    WEFT_TRY(const auto names, read_tool_list(body["tools"], prompt));
    return read_choice(body["tool_choice"], names, prompt);
}

}  // namespace weft::api::anthropic
