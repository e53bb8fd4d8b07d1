#include "api/ollama/chat_request.h"

#include <algorithm>

#include "api/ollama/service_request.h"
#include "api/tool_fields.h"

namespace weft::api::ollama {
namespace {

bool is_role_character(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; }

// Templates know roles of their own ("control", "developer"), so any word will do; it ends up between special tokens,
// so only a word will do.
Result<std::string> role_in(const JsonReader& message) {
    const auto value = message["role"];
    WEFT_TRY(auto role, value.string());
    if (!role || role->empty()) return value.missing();
    for (char& c : *role)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (role->size() > max_role_bytes || !std::ranges::all_of(*role, is_role_character))
        return value.invalid("must be system, user, assistant or tool");
    return std::move(*role);
}

Result<ToolCall> tool_call_in(const JsonReader& json) {
    ToolCall call;
    const auto function = json["function"];
    if (function.absent()) return function.missing();
    if (!function.is_object()) return function.wrong_type("an object");
    WEFT_TRY(auto id, json["id"].string());
    WEFT_TRY(auto name, function["name"].string());
    if (!name || name->empty()) return function["name"].missing();
    const auto arguments = function["arguments"];
    if (!arguments.absent() && !arguments.is_object()) return arguments.wrong_type("an object");
    call.id = std::move(id).value_or("");
    call.name = std::move(*name);
    call.arguments_json = arguments.absent() ? "{}" : write_json(arguments.json());
    return call;
}

Result<std::vector<ToolCall>> tool_calls_in(const JsonReader& json) {
    std::vector<ToolCall> calls;
    WEFT_TRY(const auto list, json.array());
    if (!list) return calls;
    for (const auto& element : *list) {
        WEFT_TRY(auto call, tool_call_in(element));
        calls.push_back(std::move(call));
    }
    return calls;
}

Result<ChatMessage> message_in(const JsonReader& json) {
    if (!json.is_object()) return json.wrong_type("an object");
    ChatMessage message;
    WEFT_TRY(message.role, role_in(json));
    WEFT_TRY(auto content, json["content"].string());
    WEFT_TRY(auto thinking, json["thinking"].string());
    WEFT_TRY(auto tool_name, json["tool_name"].string());
    WEFT_TRY(auto tool_call_id, json["tool_call_id"].string());
    WEFT_TRY(message.tool_calls, tool_calls_in(json["tool_calls"]));
    message.content = std::move(content).value_or("");
    WEFT_CHECK(read_images(json["images"], message));
    message.thinking = std::move(thinking).value_or("");
    message.tool_name = std::move(tool_name).value_or("");
    message.tool_call_id = std::move(tool_call_id).value_or("");
    return message;
}

Result<std::vector<ChatMessage>> messages_in(const JsonReader& json) {
    std::vector<ChatMessage> messages;
    WEFT_TRY(const auto list, json.array());
    if (!list) return messages;
    if (list->size() > max_messages) return json.invalid("holds more than " + std::to_string(max_messages) + " messages");
    for (const auto& element : *list) {
        WEFT_TRY(auto message, message_in(element));
        messages.push_back(std::move(message));
    }
    return messages;
}

// The model's own system message stands unless the conversation begins with one.
ChatPrompt prompt_of(const ChatBody& body, const ModelInfo& model) {
    ChatPrompt prompt = body.tools;
    prompt.messages = body.messages;
    prompt.drop_oldest_to_fit = body.fields.truncate;
    const bool brings_system = !body.messages.empty() && body.messages.front().role == "system";
    if (!brings_system && !model.system.empty())
        prompt.messages.insert(prompt.messages.begin(), {.role = "system", .content = model.system});
    set_thinking(prompt, body.fields.think, model);
    return prompt;
}

}  // namespace

Result<ChatBody> parse_chat(const JsonReader& json) {
    ChatBody body;
    WEFT_TRY(body.fields, generation_fields_in(json));
    WEFT_TRY(body.messages, messages_in(json["messages"]));
    WEFT_TRY(body.tools.tools_json, read_tools(json["tools"]));
    WEFT_CHECK(apply_tool_choice(json["tool_choice"], body.tools));
    return body;
}

Result<Generation> generation_of(const ChatBody& body, const ModelInfo& model) {
    if (!model.can("completion")) return cannot(body.fields.model, "chat");
    const bool offers_tools = !body.tools.tools_json.empty() && body.tools.tool_choice != ToolChoice::none;
    if (offers_tools && !model.can("tools")) return cannot(body.fields.model, "tools");
    if (body.fields.think.wanted() && !model.can("thinking")) return cannot(body.fields.model, "thinking");
    return Generation{.wording = Wording::chat, .fields = body.fields, .prompt = prompt_of(body, model)};
}

}  // namespace weft::api::ollama
