#include "api/openai/response_tools.h"

#include "api/tool_fields.h"

namespace weft::api::openai {
namespace {

constexpr std::string_view custom_tool_schema =
    R"({"type":"object","properties":{"input":{"type":"string"}},"required":["input"]})";

class ToolReader {
  public:
    explicit ToolReader(ChatPrompt& prompt) : prompt_(prompt) {}

    // Members of a namespace carry its name before theirs.
    Result<void> read_list(const JsonReader& tools, const std::string& name_prefix = "") {
        WEFT_TRY(const auto list, tools.array());
        for (const auto& tool : list.value_or(std::vector<JsonReader>{})) {
            if (prompt_.tools_json.size() >= max_tools)
                return tools.invalid("must have at most " + std::to_string(max_tools) + " tools");
            WEFT_CHECK(read(tool, name_prefix));
        }
        return {};
    }

    [[nodiscard]] std::set<std::string> custom() && { return std::move(custom_); }

  private:
    Result<void> read(const JsonReader& tool, const std::string& name_prefix) {
        if (!tool.is_object()) return tool.wrong_type("an object");
        WEFT_TRY(const auto type, tool["type"].string());
        if (!type) return tool["type"].missing();
        if (*type == "namespace" && name_prefix.empty()) {
            WEFT_TRY(const auto name, read_tool_name(tool["name"]));
            return read_list(tool["tools"], name + ".");
        }
        if (*type == "function" || *type == "custom") return read_function(tool, name_prefix, *type == "custom");
        return {};
    }

    Result<void> read_function(const JsonReader& tool, const std::string& name_prefix, bool custom) {
        WEFT_TRY(auto name, read_tool_name(tool["name"]));
        name.insert(0, name_prefix);
        if (!names_.insert(name).second) return tool["name"].invalid("must differ from the names of the other tools");
        WEFT_CHECK(function_tool(tool));  // its errors know the path
        Json function = Json::object_t{};
        function["name"] = name;
        for (const auto key : {"description", "parameters", "strict"})
            if (const auto value = tool[key]; !value.absent()) function[key] = value.json();
        if (custom) {
            WEFT_TRY(const auto form, tool["format"]["type"].string());
            if (form && *form != "text")
                return fail_field(ErrorCode::unsupported, tool["format"].path(), "this server does not support the format of a custom tool yet");
            WEFT_TRY(function["parameters"], parse_json(custom_tool_schema));
            custom_.insert(std::move(name));
        }
        WEFT_TRY(auto json, function_tool(JsonReader(function)));
        prompt_.tools_json.push_back(std::move(json));
        return {};
    }

    ChatPrompt& prompt_;
    std::set<std::string> names_{};
    std::set<std::string> custom_{};
};

// A custom tool is a function to the model.
Result<void> read_choice(const JsonReader& choice, ChatPrompt& prompt) {
    if (!choice.is_object()) return apply_tool_choice(choice, prompt);
    WEFT_TRY(const auto type, choice["type"].string());
    if (!type) return choice["type"].missing();
    if (*type == "allowed_tools") return apply_tool_choice(choice, prompt);
    if (*type == "function" || *type == "custom") return force_tool(choice["name"], choice.path(), prompt);
    return choice.invalid("cannot be a tool that this server does not offer to the model");
}

}  // namespace

Result<std::set<std::string>> read_response_tools(const JsonReader& body, ChatPrompt& prompt) {
    ToolReader reader(prompt);
    WEFT_CHECK(reader.read_list(body["tools"]));
    WEFT_TRY(const auto parallel, body["parallel_tool_calls"].boolean());
    prompt.parallel_tool_calls = parallel.value_or(true);
    WEFT_CHECK(read_choice(body["tool_choice"], prompt));
    return std::move(reader).custom();
}

}  // namespace weft::api::openai
