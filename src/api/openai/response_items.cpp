#include "api/openai/response_items.h"

#include "api/base64.h"
#include "api/image_input.h"
#include "api/openai/chat_messages.h"

namespace weft::api::openai {
namespace {

void append_line(std::string& text, std::string_view more) {
    if (!text.empty() && !more.empty()) text += '\n';
    text += more;
}

// A message may leave out its type.
Result<std::string> type_of(const JsonReader& item) {
    if (!item.is_object()) return item.wrong_type("an object");
    WEFT_TRY(auto type, item["type"].string());
    if (type) return std::move(*type);
    if (item["role"].absent()) return item["type"].missing();
    return "message";
}

// The texts of a list of parts; nothing when there are none.
Result<std::string> read_part_texts(const JsonReader& parts) {
    std::string text;
    WEFT_TRY(const auto list, parts.array());
    for (const auto& part : list.value_or(std::vector<JsonReader>{})) {
        if (!part.is_object()) return part.wrong_type("an object");
        WEFT_TRY(const auto line, part["text"].string());
        append_line(text, line.value_or(""));
    }
    return text;
}

std::string_view id_prefix(std::string_view type) {
    if (type == "message") return "msg_";
    if (type == "reasoning") return "rs_";
    if (type == "function_call") return "fc_";
    if (type == "custom_tool_call") return "ctc_";
    return "item_";
}

Json text_parts(const JsonReader& role, const std::string& text) {
    const auto whose = role.string();
    Json part = Json::object_t{};
    part["type"] = whose && *whose == "assistant" ? "output_text" : "input_text";
    part["text"] = text;
    if (part["type"].get<std::string>() == "output_text") part["annotations"] = Json::array_t{};
    Json parts = Json::array_t{};
    parts.get_array().push_back(std::move(part));
    return parts;
}

Result<StoredItem> stored_item(const JsonReader& item, const ItemReader& reader,
                               const std::function<std::string(std::string_view)>& new_id) {
    WEFT_TRY(const auto type, type_of(item));
    WEFT_TRY(auto id, item["id"].string());
    if (type == "item_reference") {
        const auto found = reader.find_item(id.value_or(""));
        return found ? *found : StoredItem{};
    }
    Json json = item.json();
    if (!id || id->empty()) id = new_id(id_prefix(type));
    json["id"] = *id;
    json["type"] = type;
    if (type == "message" && json["content"].is_string()) json["content"] = text_parts(item["role"], json["content"].get<std::string>());
    return StoredItem{.id = std::move(*id), .json = api::write_json(json)};
}

StoredItem text_item(const std::string& text, const std::function<std::string(std::string_view)>& new_id) {
    Json item = Json::object_t{};
    auto id = new_id("msg_");
    item["id"] = id;
    item["type"] = "message";
    item["role"] = "user";
    item["content"] = text_parts(JsonReader(item)["role"], text);
    return {.id = std::move(id), .json = api::write_json(item)};
}

}  // namespace

Result<void> ItemReader::read(const JsonReader& item) {
    WEFT_TRY(const auto type, type_of(item));
    if (type == "message") return read_message(item);
    if (type == "function_call") return read_call(item, false);
    if (type == "custom_tool_call") return read_call(item, true);
    if (type == "function_call_output" || type == "custom_tool_call_output") return read_call_output(item);
    if (type == "reasoning") return read_reasoning(item);
    if (type == "item_reference") return read_reference(item);
    return {};
}

std::vector<ChatMessage> ItemReader::take() {
    name_tool_results(turns_);
    return std::move(turns_);
}

Result<void> ItemReader::read_message(const JsonReader& item) {
    WEFT_TRY(auto role, required_string(item["role"]));
    if (role == "developer") role = "system";
    if (role != "system" && role != "user" && role != "assistant")
        return item["role"].invalid("must be one of user, assistant, system, developer, not '" + role + "'");
    ChatMessage turn{.role = std::move(role)};
    WEFT_TRY(const bool has_content, read_content(item["content"], turn));
    if (!has_content) return item["content"].missing();
    if (turn.role == "assistant") {
        ContentBuilder::append(assistant_turn(), std::move(turn), "\n");
        return {};
    }
    thinking_.clear();
    turns_.push_back(std::move(turn));
    return {};
}

Result<void> ItemReader::read_call(const JsonReader& item, bool custom) {
    ToolCall call;
    WEFT_TRY(call.id, required_string(item["call_id"]));
    WEFT_TRY(call.name, required_string(item["name"]));
    if (custom) {
        Json arguments = Json::object_t{};
        WEFT_TRY(auto input, item["input"].string());
        arguments["input"] = std::move(input).value_or("");
        call.arguments_json = api::write_json(arguments);
    } else {
        WEFT_TRY(call.arguments_json, read_arguments(item["arguments"]));
    }
    assistant_turn().tool_calls.push_back(std::move(call));
    return {};
}

Result<void> ItemReader::read_call_output(const JsonReader& item) {
    ChatMessage turn{.role = "tool"};
    WEFT_TRY(turn.tool_call_id, required_string(item["call_id"]));
    WEFT_CHECK(read_content(item["output"], turn));
    thinking_.clear();
    turns_.push_back(std::move(turn));
    return {};
}

// The summary is all of the thinking; what is called encrypted is the same, for clients who keep only that.
Result<void> ItemReader::read_reasoning(const JsonReader& item) {
    WEFT_TRY(auto text, read_part_texts(item["content"]));
    if (text.empty()) {
        WEFT_TRY(text, read_part_texts(item["summary"]));
    }
    WEFT_TRY(const auto encrypted, item["encrypted_content"].string());
    if (text.empty() && encrypted) text = decode_base64(*encrypted).value_or("");
    append_line(thinking_, text);
    return {};
}

Result<void> ItemReader::read_reference(const JsonReader& item) {
    WEFT_TRY(const auto id, required_string(item["id"]));
    const auto found = find_item(id);
    if (!found)
        return fail_field(ErrorCode::not_found, item["id"].path(),
                          "Item with id '" + id + "' not found.");
    WEFT_TRY(const auto json, parse_json(found->json));
    return read(JsonReader(json));
}

ChatMessage& ItemReader::assistant_turn() {
    if (turns_.empty() || turns_.back().role != "assistant") turns_.push_back({.role = "assistant"});
    append_line(turns_.back().thinking, std::exchange(thinking_, {}));
    return turns_.back();
}

Result<std::vector<StoredItem>> read_input(const JsonReader& input, ItemReader& reader,
                                           const std::function<std::string(std::string_view)>& new_id) {
    std::vector<StoredItem> stored;
    if (input.absent() || input.is_string()) {
        stored.push_back(text_item(input.absent() ? "" : input.json().get<std::string>(), new_id));
        WEFT_TRY(const auto json, parse_json(stored.back().json));
        WEFT_CHECK(reader.read(JsonReader(json)));
        return stored;
    }
    if (!input.is_array()) return input.wrong_type("a string or an array of items");
    WEFT_TRY(const auto items, input.array());
    if (items->size() > max_input_items)
        return input.invalid("must have at most " + std::to_string(max_input_items) + " items");
    for (const auto& item : *items) {
        WEFT_CHECK(reader.read(item));
        WEFT_TRY(auto kept, stored_item(item, reader, new_id));
        stored.push_back(std::move(kept));
    }
    return stored;
}

Result<void> read_previous(const JsonReader& previous_response_id, ItemReader& reader) {
    WEFT_TRY(const auto id, previous_response_id.string());
    if (!id) return {};
    const auto chain = reader.chain(*id);
    if (chain.empty())
        return fail_field(ErrorCode::invalid_request, previous_response_id.path(),
                          "Previous response with id '" + *id + "' not found.");
    for (const auto& response : chain)
        for (const auto* items : {&response->input, &response->output})
            for (const auto& item : *items) {
                WEFT_TRY(const auto json, parse_json(item.json));
                WEFT_CHECK(reader.read(JsonReader(json)));
            }
    return {};
}

}  // namespace weft::api::openai
