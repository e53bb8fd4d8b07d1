#include "api/tool_fields.h"

#include <algorithm>

namespace weft::api {
namespace {

Result<void> check_schema(const JsonReader& schema) {
    if (schema.absent()) return {};
    if (!schema.is_object()) return schema.wrong_type("an object");
    const auto type = schema["type"];
    if (!type.absent() && !(type.is_string() && type.json().get<std::string>() == "object"))
        return type.invalid("must be \"object\": arguments are passed by name");
    return {};
}

Json schema_or_empty(const JsonReader& schema) {
    Json json = Json::object_t{};
    if (!schema.absent()) json = schema.json();
    if (!json.contains("type")) json["type"] = "object";
    if (!json.contains("properties")) json["properties"] = Json::object_t{};
    return json;
}

// The names of a choice's {"type":"function","function":{"name":..}}.
Result<std::string> chosen_name(const JsonReader& tool) {
    const auto nested = tool["function"]["name"];
    const auto name = nested.absent() && !tool["name"].absent() ? tool["name"] : nested;
    WEFT_TRY(auto text, name.string());
    if (!text) return name.missing();
    return std::move(*text);
}

bool offers(const ChatPrompt& prompt, std::string_view name) {
    return std::ranges::any_of(prompt.tools_json, [name](const auto& tool) { return tool_name_of(tool) == name; });
}

std::unexpected<Error> unknown_tool(const JsonReader& choice, std::string_view field, const std::string& name) {
    auto error = choice.invalid("names the function '" + name + "', which is not among the tools");
    error.error().field = field;
    return error;
}

Result<void> require_tools(const JsonReader& choice, ChatPrompt& prompt) {
    if (prompt.tools_json.empty()) return choice.invalid("asks for a tool call, but there are no tools");
    prompt.tool_choice = ToolChoice::required;
    return {};
}

Result<void> apply_word(const JsonReader& choice, ChatPrompt& prompt) {
    const auto word = choice.json().get<std::string>();
    if (word == "auto") return {};
    if (word == "required" || word == "any") return require_tools(choice, prompt);
    if (word != "none")
        return choice.invalid("must be one of none, auto, required, or an object that names a function, not '" + word + "'");
    prompt.tool_choice = ToolChoice::none;
    return {};
}

Result<void> apply_allowed(const JsonReader& choice, ChatPrompt& prompt) {
    const auto allowed = choice["allowed_tools"].absent() ? choice : choice["allowed_tools"];
    WEFT_TRY(const auto mode, allowed["mode"].string());
    if (mode && *mode != "auto" && *mode != "required") return allowed["mode"].invalid("must be auto or required");
    WEFT_TRY(const auto list, allowed["tools"].array());
    if (!list) return allowed["tools"].missing();
    std::vector<std::string> names;
    for (const auto& tool : *list) {
        WEFT_TRY(const auto type, tool["type"].string());
        if (type && *type != "function" && *type != "custom") continue;  // hosted elsewhere: not among the tools either
        WEFT_TRY(auto name, chosen_name(tool));
        if (!offers(prompt, name)) return unknown_tool(choice, choice.path(), name);
        names.push_back(std::move(name));
    }
    std::erase_if(prompt.tools_json, [&names](const auto& tool) {
        return std::ranges::find(names, tool_name_of(tool)) == names.end();
    });
    return mode == "required" ? require_tools(choice, prompt) : Result<void>{};
}

}  // namespace

Result<std::string> read_tool_name(const JsonReader& name) {
    WEFT_TRY(auto text, name.string());
    if (!text || text->empty()) return name.missing();
    if (text->size() > max_tool_name_bytes)
        return name.invalid("must have at most " + std::to_string(max_tool_name_bytes) + " bytes");
    const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
    if (std::ranges::any_of(*text, is_control)) return name.invalid("must not contain control characters");
    return std::move(*text);
}

Result<std::string> function_tool(const JsonReader& function, std::string_view schema_key,
                                  std::optional<std::span<const std::string_view>> kept_members) {
    if (!function.is_object()) return function.absent() ? function.missing() : function.wrong_type("an object");
    WEFT_TRY(auto name, read_tool_name(function["name"]));
    WEFT_TRY(auto description, function["description"].string());
    WEFT_CHECK(function["strict"].boolean());
    WEFT_CHECK(check_schema(function[schema_key]));
    Json body = Json::object_t{};
    body["name"] = std::move(name);
    body["description"] = std::move(description).value_or("");
    body["parameters"] = schema_or_empty(function[schema_key]);
    WEFT_TRY(const auto members, function.object());
    const auto kept = [&](const std::string& key) { return !kept_members || std::ranges::contains(*kept_members, key); };
    for (const auto& [key, value] : members.value_or(std::vector<std::pair<std::string, JsonReader>>{}))
        if (kept(key) && key != schema_key && !value.absent() && !body.contains(key)) body[key] = value.json();
    Json tool = Json::object_t{};
    tool["type"] = "function";
    tool["function"] = std::move(body);
    auto text = api::write_json(tool);
    if (text.size() > max_tool_bytes)
        return function.invalid("is a tool of more than " + std::to_string(max_tool_bytes) + " bytes of JSON");
    return text;
}

Result<std::vector<std::string>> read_tools(const JsonReader& tools) {
    std::vector<std::string> out;
    WEFT_TRY(const auto list, tools.array());
    if (!list) return out;
    if (list->size() > max_tools) return tools.invalid("must have at most " + std::to_string(max_tools) + " tools");
    for (const auto& element : *list) {
        if (!element.is_object()) return element.wrong_type("an object");
        WEFT_TRY(const auto type, element["type"].string());
        if (type && *type != "function")
            return fail_field(ErrorCode::unsupported, element["type"].path(),
                              "this server does not support tools of type '" + *type + "', only functions");
        WEFT_TRY(auto tool, function_tool(element["function"]));
        out.push_back(std::move(tool));
    }
    return out;
}

std::string tool_name_of(const std::string& tool_json) {
    const auto tool = parse_json(tool_json);
    if (!tool) return {};
    const JsonReader reader(*tool);
    const auto name = reader["function"]["name"].string();
    return name && *name ? **name : std::string();
}

Result<void> apply_tool_choice(const JsonReader& choice, ChatPrompt& prompt) {
    if (choice.absent()) return {};
    if (choice.is_string()) return apply_word(choice, prompt);
    if (!choice.is_object()) return choice.wrong_type("a string or an object");
    WEFT_TRY(const auto type, choice["type"].string());
    if (type && *type == "allowed_tools") return apply_allowed(choice, prompt);
    if (type && *type != "function")
        return fail_field(ErrorCode::unsupported, choice.path(),
                          "this server does not support a choice of type '" + *type + "'");
    const auto nested = choice["function"]["name"];
    return force_tool(nested.absent() && !choice["name"].absent() ? choice["name"] : nested, choice.path(), prompt);
}

Result<void> force_tool(const JsonReader& name, std::string_view field, ChatPrompt& prompt) {
    WEFT_TRY(auto text, name.string());
    if (!text) return name.missing();
    if (!offers(prompt, *text)) return unknown_tool(name, field, *text);
    prompt.tool_choice = ToolChoice::required;
    prompt.tool_choice_name = std::move(*text);
    prompt.parallel_tool_calls = false;
    return {};
}

}  // namespace weft::api
