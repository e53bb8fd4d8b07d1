#include "api/openai/chat_messages.h"

#include <map>
#include <string>

#include "api/audio_input.h"
#include "api/image_input.h"
#include "api/openai/request_fields.h"

namespace weft::api::openai {
namespace {

constexpr std::string_view empty_arguments = "{}";

// The URL is a member of an object, or bare.
Result<ChatImage> read_image_part(const JsonReader& part) {
    const auto image = part["image_url"];
    if (!part["file_id"].absent()) return not_supported_yet(part, "image input by file");
    const auto url = image.is_object() ? image["url"] : image;
    WEFT_TRY(const auto text, required_string(url));
    return read_image_url(text, url);
}

Result<std::string> read_text_part(const JsonReader& part, std::string_view type, std::string_view role) {
    if (type == "text" || type == "input_text" || type == "output_text") return required_string(part["text"]);
    if (type == "refusal" && role == "assistant") return required_string(part["refusal"]);
    if (type == "file" || type == "input_file") return not_supported_yet(part, "file input");
    return part["type"].invalid("must be a type of content part that a message of role '" + std::string(role) +
                                "' can have, not '" + std::string(type) + "'");
}

Result<void> read_part(const JsonReader& part, std::string_view role, ContentBuilder& content) {
    if (part.is_string()) {
        content.add(part.json().get<std::string>());
        return {};
    }
    if (!part.is_object()) return part.wrong_type("an object");
    WEFT_TRY(const auto type, required_string(part["type"]));
    if (type == "image_url" || type == "input_image") {
        WEFT_TRY(auto image, read_image_part(part));
        content.add(std::move(image));
        return {};
    }
    if (type == "input_audio") {
        WEFT_TRY(auto recording, read_audio(part["input_audio"]));
        content.add(std::move(recording));
        return {};
    }
    WEFT_TRY(const auto text, read_text_part(part, type, role));
    content.add(text);
    return {};
}

}  // namespace

Result<bool> read_content(const JsonReader& content, ChatMessage& message) {
    if (content.absent()) return false;
    ContentBuilder builder;
    if (content.is_string()) {
        builder.add(content.json().get<std::string>());
    } else {
        if (!content.is_array()) return content.wrong_type("a string or an array of content parts");
        WEFT_TRY(const auto parts, content.array());
        for (const auto& part : *parts) WEFT_CHECK(read_part(part, message.role, builder));
    }
    std::move(builder).move_to(message);
    return true;
}

Result<std::string> read_arguments(const JsonReader& arguments) {
    if (arguments.absent()) return std::string(empty_arguments);
    if (arguments.is_object()) return api::write_json(arguments.json());
    WEFT_TRY(auto text, arguments.string());
    if (text->find_first_not_of(" \t\r\n") == std::string::npos) return std::string(empty_arguments);
    return std::move(*text);
}

namespace {

Result<ToolCall> read_function(const JsonReader& function, std::string id) {
    if (!function.is_object()) return function.absent() ? function.missing() : function.wrong_type("an object");
    WEFT_TRY(auto name, required_string(function["name"]));
    WEFT_TRY(auto arguments, read_arguments(function["arguments"]));
    return ToolCall{.id = std::move(id), .name = std::move(name), .arguments_json = std::move(arguments)};
}

Result<std::vector<ToolCall>> read_tool_calls(const JsonReader& message) {
    std::vector<ToolCall> calls;
    WEFT_TRY(const auto list, message["tool_calls"].array());
    for (const auto& element : list.value_or(std::vector<JsonReader>{})) {
        if (!element.is_object()) return element.wrong_type("an object");
        WEFT_TRY(auto id, element["id"].string());
        WEFT_TRY(auto call, read_function(element["function"], std::move(id).value_or("")));
        calls.push_back(std::move(call));
    }
    if (calls.empty() && !message["function_call"].absent()) {
        WEFT_TRY(auto call, read_function(message["function_call"], ""));
        calls.push_back(std::move(call));
    }
    return calls;
}

Result<ChatMessage> read_assistant(const JsonReader& message) {
    ChatMessage out{.role = "assistant"};
    WEFT_TRY(const bool has_content, read_content(message["content"], out));
    WEFT_TRY(auto refusal, message["refusal"].string());
    WEFT_TRY(auto thinking, message.first_of({"reasoning_content", "reasoning", "thinking"}).string());
    WEFT_TRY(out.tool_calls, read_tool_calls(message));
    if (!has_content && !refusal && out.tool_calls.empty()) return message["content"].missing();
    if (!has_content) out.content = std::move(refusal).value_or("");
    out.thinking = std::move(thinking).value_or("");
    return out;
}

Result<ChatMessage> read_tool_result(const JsonReader& message) {
    ChatMessage out{.role = "tool"};
    WEFT_CHECK(read_content(message["content"], out));
    WEFT_TRY(auto name, message["name"].string());
    WEFT_TRY(auto call, message["tool_call_id"].string());
    out.tool_name = std::move(name).value_or("");
    out.tool_call_id = std::move(call).value_or("");
    return out;
}

Result<ChatMessage> read_text_message(const JsonReader& message, std::string role) {
    WEFT_CHECK(message["name"].string());
    ChatMessage out{.role = std::move(role)};
    WEFT_TRY(const bool has_content, read_content(message["content"], out));
    if (!has_content) return message["content"].missing();
    return out;
}

Result<ChatMessage> read_message(const JsonReader& message) {
    if (!message.is_object()) return message.wrong_type("an object");
    WEFT_TRY(const auto role, required_string(message["role"]));
    if (role == "system" || role == "developer") return read_text_message(message, "system");
    if (role == "user") return read_text_message(message, "user");
    if (role == "assistant") return read_assistant(message);
    if (role == "tool" || role == "function") return read_tool_result(message);
    return message["role"].invalid("must be one of system, developer, user, assistant, tool, function, not '" + role +
                                   "'");
}

}  // namespace

void name_tool_results(std::vector<ChatMessage>& messages) {
    std::map<std::string, std::string, std::less<>> names;
    for (auto& message : messages) {
        for (const auto& call : message.tool_calls) names[call.id] = call.name;
        if (message.role != "tool" || !message.tool_name.empty()) continue;
        if (const auto found = names.find(message.tool_call_id); found != names.end())
            message.tool_name = found->second;
    }
}

Result<std::vector<ChatMessage>> read_messages(const JsonReader& messages) {
    WEFT_TRY(const auto list, messages.array());
    if (!list) return messages.missing();
    if (list->empty()) return messages.invalid("must have at least one message", ErrorReason::empty_array);
    if (list->size() > max_messages)
        return messages.invalid("must have at most " + std::to_string(max_messages) + " messages");
    std::vector<ChatMessage> out;
    out.reserve(list->size());
    for (const auto& element : *list) {
        WEFT_TRY(auto message, read_message(element));
        out.push_back(std::move(message));
    }
    name_tool_results(out);
    return out;
}

}  // namespace weft::api::openai
