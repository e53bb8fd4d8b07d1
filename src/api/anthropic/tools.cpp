#include "api/anthropic/tools.h"

#include <array>
#include <set>

#include "api/tool_fields.h"

namespace weft::api::anthropic {
namespace {

// Cache marks, examples and the like must not change the prompt.
constexpr std::array kept_members{std::string_view("strict")};

Result<void> read_tool_list(const JsonReader& tools, ChatPrompt& prompt) {
    std::set<std::string> names;
    WEFT_TRY(const auto list, tools.array());
    if (!list) return {};
    if (list->size() > max_tools) return tools.invalid("must have at most " + std::to_string(max_tools) + " tools");
    for (const auto& tool : *list) {
        if (!tool.is_object()) return tool.wrong_type("an object");
        WEFT_TRY(const auto type, tool["type"].string());
        if (type && *type != "custom") continue;
        WEFT_TRY(const auto name, read_tool_name(tool["name"]));
        if (!names.insert(name).second) return tool["name"].invalid("must differ from the names of the other tools");
        WEFT_TRY(auto json, function_tool(tool, "input_schema", kept_members));
        prompt.tools_json.push_back(std::move(json));
    }
    return {};
}

Result<void> read_choice(const JsonReader& choice, ChatPrompt& prompt) {
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
    if (prompt.tools_json.empty()) return choice.invalid("needs tools that this server can offer to the model");
    if (*type == "tool") return force_tool(choice["name"], choice["name"].path(), prompt);
    prompt.tool_choice = ToolChoice::required;
    return {};
}

}  // namespace

Result<void> read_tools_and_choice(const JsonReader& body, ChatPrompt& prompt) {
    WEFT_CHECK(read_tool_list(body["tools"], prompt));
    return read_choice(body["tool_choice"], prompt);
}

}  // namespace weft::api::anthropic
