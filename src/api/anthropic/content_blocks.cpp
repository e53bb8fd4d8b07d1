#include "api/anthropic/content_blocks.h"

#include <map>

namespace weft::api::anthropic {
namespace {

// What tells the model that a tool failed.
constexpr std::string_view error_mark = "Error: ";

void append_part(std::string& text, std::string_view part, std::string_view separator = "\n") {
    if (!text.empty() && !part.empty()) text += separator;
    text += part;
}

std::unexpected<Error> not_supported_yet(const JsonReader& value, std::string_view what) {
    return fail_field(ErrorCode::unsupported, value.path(), "this server does not support " + std::string(what) + " yet");
}

// The `text` blocks of a list, or a string. Other types are left out.
Result<std::string> read_texts(const JsonReader& content, std::string_view separator) {
    if (content.absent()) return std::string();
    if (content.is_string()) return content.json().get<std::string>();
    if (!content.is_array()) return content.wrong_type("a string or an array of content blocks");
    WEFT_TRY(const auto blocks, content.array());
    std::string text;
    for (const auto& block : *blocks) {
        if (!block.is_object()) return block.wrong_type("an object");
        WEFT_TRY(const auto type, required_string(block["type"]));
        if (type != "text") continue;
        WEFT_TRY(const auto part, required_string(block["text"]));
        append_part(text, part, separator);
    }
    return text;
}

// A document's text below its title and context.
Result<std::string> read_document(const JsonReader& block) {
    std::string text;
    for (const auto name : {"title", "context"}) {
        WEFT_TRY(const auto line, block[name].string());
        append_part(text, line.value_or(""));
    }
    const auto source = block["source"];
    if (!source.is_object()) return source.absent() ? source.missing() : source.wrong_type("an object");
    WEFT_TRY(const auto type, required_string(source["type"]));
    if (type == "text") {
        WEFT_TRY(const auto data, required_string(source["data"]));
        append_part(text, data);
        return text;
    }
    if (type == "content") {
        WEFT_TRY(const auto content, read_texts(source["content"], "\n"));
        append_part(text, content);
        return text;
    }
    if (type == "base64" || type == "url" || type == "file") return not_supported_yet(block, "document input other than text");
    return source["type"].invalid("must be one of text, content, base64, url, file");
}

Result<std::string> read_search_result(const JsonReader& block) {
    std::string text;
    for (const auto name : {"title", "source"}) {
        WEFT_TRY(const auto line, block[name].string());
        append_part(text, line.value_or(""));
    }
    WEFT_TRY(const auto content, read_texts(block["content"], "\n"));
    append_part(text, content);
    return text;
}

// Blocks that stand for text, wherever they are. Nothing for those that do not.
Result<std::optional<std::string>> read_text_like(const JsonReader& block, std::string_view type) {
    if (type == "text") {
        WEFT_TRY(auto text, required_string(block["text"]));
        return text;
    }
    if (type == "document") {
        WEFT_TRY(auto text, read_document(block));
        return text;
    }
    if (type == "search_result") {
        WEFT_TRY(auto text, read_search_result(block));
        return text;
    }
    if (type == "image") return not_supported_yet(block, "image input");
    return std::nullopt;
}

Result<std::string> read_result_content(const JsonReader& content) {
    if (content.absent()) return std::string();
    if (content.is_string()) return content.json().get<std::string>();
    if (!content.is_array()) return content.wrong_type("a string or an array of content blocks");
    WEFT_TRY(const auto blocks, content.array());
    std::string text;
    for (const auto& block : *blocks) {
        if (!block.is_object()) return block.wrong_type("an object");
        WEFT_TRY(const auto type, required_string(block["type"]));
        WEFT_TRY(const auto part, read_text_like(block, type));
        if (part) append_part(text, *part);
    }
    return text;
}

Result<ChatMessage> read_tool_result(const JsonReader& block) {
    ChatMessage out{.role = "tool"};
    WEFT_TRY(out.tool_call_id, required_string(block["tool_use_id"]));
    WEFT_TRY(out.content, read_result_content(block["content"]));
    WEFT_TRY(const auto is_error, block["is_error"].boolean());
    if (is_error.value_or(false)) out.content.insert(0, error_mark);
    return out;
}

Result<ToolCall> read_tool_use(const JsonReader& block) {
    ToolCall call;
    WEFT_TRY(call.id, required_string(block["id"]));
    WEFT_TRY(call.name, required_string(block["name"]));
    const auto input = block["input"];
    if (!input.absent() && !input.is_object()) return input.wrong_type("an object");
    call.arguments_json = input.absent() ? "{}" : api::write_json(input.json());
    return call;
}

// One message becomes several turns when it holds tool results.
class MessageReader {
  public:
    explicit MessageReader(std::vector<ChatMessage>& turns) : turns_(turns) {}

    Result<void> read(const JsonReader& message) {
        if (!message.is_object()) return message.wrong_type("an object");
        WEFT_TRY(const auto role, required_string(message["role"]));
        if (role != "user" && role != "assistant" && role != "system")
            return message["role"].invalid("must be one of user, assistant, system, not '" + role + "'");
        ChatMessage turn{.role = role};
        const auto content = message["content"];
        if (content.absent()) return content.missing();
        if (content.is_string()) {
            turn.content = content.json().get<std::string>();
        } else {
            if (!content.is_array()) return content.wrong_type("a string or an array of content blocks");
            WEFT_CHECK(read_blocks(content, turn));
        }
        add(std::move(turn), !results_.empty());
        return {};
    }

  private:
    Result<void> read_blocks(const JsonReader& content, ChatMessage& turn) {
        WEFT_TRY(const auto blocks, content.array());
        for (const auto& block : *blocks) {
            if (!block.is_object()) return block.wrong_type("an object");
            WEFT_CHECK(read_block(block, turn));
        }
        return {};
    }

    Result<void> read_block(const JsonReader& block, ChatMessage& turn) {
        WEFT_TRY(const auto type, required_string(block["type"]));
        if (type == "tool_result" && turn.role == "user") {
            WEFT_TRY(auto result, read_tool_result(block));
            results_.push_back(std::move(result));
        } else if (type == "tool_use" && turn.role == "assistant") {
            WEFT_TRY(auto call, read_tool_use(block));
            turn.tool_calls.push_back(std::move(call));
        } else if (type == "thinking" && turn.role == "assistant") {
            WEFT_TRY(const auto thinking, required_string(block["thinking"]));
            append_part(turn.thinking, thinking);
        } else {
            WEFT_TRY(const auto text, read_text_like(block, type));
            if (text) append_part(turn.content, *text);
        }
        return {};
    }

    void add(ChatMessage turn, bool had_results) {
        for (auto& result : results_) turns_.push_back(std::move(result));
        results_.clear();
        // Results that came alone are no empty word of the user.
        if (had_results && turn.content.empty()) return;
        if (!turns_.empty() && continues(turns_.back(), turn)) return merge(turns_.back(), std::move(turn));
        turns_.push_back(std::move(turn));
    }

    static bool continues(const ChatMessage& before, const ChatMessage& turn) {
        return before.role == turn.role && before.role != "system" && before.tool_calls.empty();
    }

    static void merge(ChatMessage& into, ChatMessage turn) {
        append_part(into.content, turn.content);
        append_part(into.thinking, turn.thinking);
        into.tool_calls = std::move(turn.tool_calls);
    }

    std::vector<ChatMessage>& turns_;
    std::vector<ChatMessage> results_{};  // of the message that is being read
};

// Results are named after the call they answer; the last call of an id wins.
void name_tool_results(std::vector<ChatMessage>& turns) {
    std::map<std::string, std::string, std::less<>> names;
    for (auto& turn : turns) {
        for (const auto& call : turn.tool_calls) names[call.id] = call.name;
        if (turn.role != "tool") continue;
        if (const auto found = names.find(turn.tool_call_id); found != names.end()) turn.tool_name = found->second;
    }
}

// A prefill that ends in white space leads models astray; the hosted API refuses it.
void trim_prefill(std::vector<ChatMessage>& turns) {
    if (turns.empty() || turns.back().role != "assistant") return;
    auto& text = turns.back().content;
    text.erase(text.find_last_not_of(" \t\r\n") + 1);
}

}  // namespace

Result<std::vector<ChatMessage>> read_conversation(const JsonReader& body) {
    std::vector<ChatMessage> turns;
    WEFT_TRY(auto system, read_texts(body["system"], "\n\n"));
    if (!system.empty()) turns.push_back({.role = "system", .content = std::move(system)});
    const auto messages = body["messages"];
    WEFT_TRY(const auto list, messages.array());
    if (!list) return messages.missing();
    if (list->empty()) return messages.invalid("must have at least one message", ErrorReason::empty_array);
    if (list->size() > max_messages)
        return messages.invalid("must have at most " + std::to_string(max_messages) + " messages");
    MessageReader reader(turns);
    for (const auto& message : *list) WEFT_CHECK(reader.read(message));
    name_tool_results(turns);
    trim_prefill(turns);
    return turns;
}

}  // namespace weft::api::anthropic
