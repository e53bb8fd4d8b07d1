#include "api/openai/response_tools.h"

#include <algorithm>
#include <map>

namespace weft::api::openai {
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

Json schema_of_custom_tool() {
    Json input = Json::object_t{};
    input["type"] = "string";
    Json properties = Json::object_t{};
    properties["input"] = std::move(input);
    Json required = Json::array_t{};
    required.get_array().emplace_back("input");
    Json schema = Json::object_t{};
    schema["type"] = "object";
    schema["properties"] = std::move(properties);
    schema["required"] = std::move(required);
    return schema;
}

// Absent means: no arguments.
Result<Json> read_parameters(const JsonReader& parameters) {
    if (!parameters.absent() && !parameters.is_object()) return parameters.wrong_type("an object");
    Json schema = Json::object_t{};
    if (!parameters.absent()) schema = parameters.json();
    if (parameters["type"].absent()) schema["type"] = "object";
    if (parameters["properties"].absent()) schema["properties"] = Json::object_t{};
    return schema;
}

class ToolReader {
  public:
    explicit ToolReader(ChatPrompt& prompt) : prompt_(prompt) {}

    Result<void> read_list(const JsonReader& tools, const std::string& name_prefix = "") {
        WEFT_TRY(const auto list, tools.array());
        if (!list) return {};
        if (list->size() > max_tools) return tools.invalid("must have at most " + std::to_string(max_tools) + " tools");
        for (const auto& tool : *list) WEFT_CHECK(read(tool, name_prefix));
        return {};
    }

    Result<void> read_choice(const JsonReader& choice) {
        if (choice.absent()) return {};
        if (choice.is_string()) return read_word(choice, choice.json().get<std::string>());
        if (!choice.is_object()) return choice.wrong_type("a string or an object");
        WEFT_TRY(const auto type, choice["type"].string());
        if (!type) return choice["type"].missing();
        if (type == "allowed_tools") return read_allowed(choice);
        if (type != "function" && type != "custom")
            return choice.invalid("cannot be a tool that this server does not offer to the model");
        WEFT_TRY(prompt_.tool_choice_name, read_name(choice["name"]));
        if (!tools_.contains(prompt_.tool_choice_name))
            return fail_field(ErrorCode::invalid_request, choice.path(),
                              "'" + choice.path() + "' must name one of the tools");
        prompt_.tool_choice = ToolChoice::required;
        return {};
    }

    [[nodiscard]] std::set<std::string> custom() && { return std::move(custom_); }

  private:
    Result<void> read(const JsonReader& tool, const std::string& name_prefix) {
        if (!tool.is_object()) return tool.wrong_type("an object");
        WEFT_TRY(const auto type, tool["type"].string());
        if (!type) return tool["type"].missing();
        if (*type == "namespace" && name_prefix.empty()) {
            WEFT_TRY(const auto name, read_name(tool["name"]));
            return read_list(tool["tools"], name + ".");
        }
        if (*type == "function" || *type == "custom") return read_function(tool, name_prefix, *type == "custom");
        return {};
    }

    // The tool as the prompt templates know it.
    Result<void> read_function(const JsonReader& tool, const std::string& name_prefix, bool custom) {
        WEFT_TRY(auto name, read_name(tool["name"]));
        name.insert(0, name_prefix);
        Json function = Json::object_t{};
        function["name"] = name;
        WEFT_TRY(auto description, tool["description"].string());
        if (description) function["description"] = std::move(*description);
        function["parameters"] = schema_of_custom_tool();
        if (!custom) {
            WEFT_TRY(function["parameters"], read_parameters(tool["parameters"]));
        }
        WEFT_TRY(const auto strict, tool["strict"].boolean());
        if (strict.value_or(false)) function["strict"] = true;
        Json out = Json::object_t{};
        out["type"] = "function";
        out["function"] = std::move(function);
        if (!tools_.emplace(name, prompt_.tools_json.size()).second)
            return tool["name"].invalid("must differ from the names of the other tools");
        prompt_.tools_json.push_back(api::write_json(out));
        if (custom) custom_.insert(std::move(name));
        return {};
    }

    Result<void> read_word(const JsonReader& choice, const std::string& word) {
        if (word == "auto") return {};
        if (word == "none") {
            prompt_.tool_choice = ToolChoice::none;
            return {};
        }
        if (word != "required" && word != "any")
            return choice.invalid("must be one of auto, none, required, or an object");
        if (prompt_.tools_json.empty()) return choice.invalid("needs tools that this server can offer to the model");
        prompt_.tool_choice = ToolChoice::required;
        return {};
    }

    // The model sees no other tools than these.
    Result<void> read_allowed(const JsonReader& choice) {
        WEFT_TRY(const auto mode, choice["mode"].string());
        if (mode && *mode != "auto" && *mode != "required") return choice["mode"].invalid("must be auto or required");
        WEFT_TRY(const auto list, choice["tools"].array());
        if (!list) return choice["tools"].missing();
        std::vector<std::string> allowed;
        for (const auto& tool : *list) {
            WEFT_TRY(const auto name, tool["name"].string());
            const auto found = tools_.find(name.value_or(""));
            if (found != tools_.end()) allowed.push_back(prompt_.tools_json[found->second]);
        }
        if (allowed.empty()) return choice["tools"].invalid("must name some of the tools");
        prompt_.tools_json = std::move(allowed);
        if (mode == "required") prompt_.tool_choice = ToolChoice::required;
        return {};
    }

    ChatPrompt& prompt_;
    std::map<std::string, std::size_t> tools_{};  // name -> index in the prompt
    std::set<std::string> custom_{};
};

}  // namespace

Result<std::set<std::string>> read_response_tools(const JsonReader& body, ChatPrompt& prompt) {
    ToolReader reader(prompt);
    WEFT_CHECK(reader.read_list(body["tools"]));
    WEFT_CHECK(reader.read_choice(body["tool_choice"]));
    WEFT_TRY(const auto parallel, body["parallel_tool_calls"].boolean());
    prompt.parallel_tool_calls = parallel.value_or(true);
    return std::move(reader).custom();
}

}  // namespace weft::api::openai
