#include "engine/prompt_template.h"

#include <algorithm>
#include <cstdint>

namespace weft {
namespace {

using jinja::Value;

constexpr std::size_t short_id_length = 9;

bool is_letter_or_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

// The same id for the same id, in the form that Mistral's templates insist on.
std::string short_id(std::string_view id) {
    static constexpr std::string_view alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    if (id.size() == short_id_length && std::ranges::all_of(id, is_letter_or_digit)) return std::string(id);
    std::uint64_t hash = 14695981039346656037ULL;  // FNV-1a
    for (const unsigned char c : id) hash = (hash ^ c) * 1099511628211ULL;
    std::string out;
    for (std::size_t i = 0; i < short_id_length; ++i, hash /= alphabet.size()) out += alphabet[hash % alphabet.size()];
    return out;
}

void shorten_call_ids(std::vector<ChatMessage>& messages) {
    for (auto& message : messages) {
        for (auto& call : message.tool_calls) call.id = short_id(call.id);
        if (message.role == "tool") message.tool_call_id = short_id(message.tool_call_id);
    }
}

Result<Value> tool_call_value(const ToolCall& call, bool text_arguments) {
    const std::string json = call.arguments_json.empty() ? "{}" : call.arguments_json;
    // Text that is not JSON is passed on as text: that is what the client said.
    auto arguments = text_arguments ? Result<Value>(Value::string(json)) : Value::from_json(json);
    return Value::dict({{"id", Value::string(call.id)},
                        {"type", Value::string("function")},
                        {"function", Value::dict({{"name", Value::string(call.name)},
                                                  {"arguments", arguments ? *arguments : Value::string(call.arguments_json)}})}});
}

Result<Value> message_value(const ChatMessage& message, bool text_arguments) {
    jinja::Dict fields;
    fields.set("role", Value::string(message.role));
    fields.set("content", Value::string(message.content));
    if (!message.thinking.empty()) {
        fields.set("thinking", Value::string(message.thinking));
        fields.set("reasoning_content", Value::string(message.thinking));
    }
    if (!message.tool_calls.empty()) {
        std::vector<Value> calls;
        for (const auto& call : message.tool_calls) {
            WEFT_TRY(auto value, tool_call_value(call, text_arguments));
            calls.push_back(std::move(value));
        }
        fields.set("tool_calls", Value::list(std::move(calls)));
    }
    if (!message.tool_name.empty()) fields.set("name", Value::string(message.tool_name));
    if (!message.tool_call_id.empty()) fields.set("tool_call_id", Value::string(message.tool_call_id));
    return Value::dict(std::move(fields));
}

// How a call is written, for templates that do not say it themselves.
std::string_view example_call(CallStyle style) {
    switch (style) {
        case CallStyle::deepseek_r1:
            return "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME\n```json\n{\"ARGUMENT\": VALUE}\n```"
                   "<｜tool▁call▁end｜><｜tool▁calls▁end｜>";
        case CallStyle::deepseek_v31:
            return "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>NAME<｜tool▁sep｜>{\"ARGUMENT\": VALUE}<｜tool▁call▁end｜>"
                   "<｜tool▁calls▁end｜>";
        case CallStyle::hermes: return "<tool_call>\n{\"name\": NAME, \"arguments\": {\"ARGUMENT\": VALUE}}\n</tool_call>";
        default: return "";
    }
}

// Some templates know earlier calls and results but never show the tools themselves.
void tell_tools(const ChatPrompt& prompt, CallStyle style, std::vector<ChatMessage>& messages) {
    std::string text = "You can call these functions:\n";
    for (const auto& tool : prompt.tools_json) text += tool + "\n";
    if (const auto example = example_call(style); !example.empty()) text += "To call one, write:\n" + std::string(example);
    const bool has_system = !messages.empty() && messages.front().role == "system";
    if (has_system) messages.front().content += "\n\n" + text;
    else messages.insert(messages.begin(), ChatMessage{.role = "system", .content = std::move(text)});
}

// Levels that not every template knows become the nearest that it does.
std::string_view known_effort(std::string_view effort, bool knows_max) {
    if (effort == "minimal") return "low";
    if (effort == "xhigh" || effort == "max" || effort == "ultra") return knows_max ? "max" : "high";
    return effort;
}

// All system messages become one at the front, with blank lines between.
void join_system_messages(std::vector<ChatMessage>& messages) {
    std::string joined;
    std::size_t systems = 0;
    for (const auto& message : messages) {
        if (message.role != "system") continue;
        joined += (systems++ > 0 ? "\n\n" : "") + message.content;
    }
    if (systems == 0 || (systems == 1 && messages.front().role == "system")) return;
    std::erase_if(messages, [](const ChatMessage& message) { return message.role == "system"; });
    messages.insert(messages.begin(), ChatMessage{.role = "system", .content = std::move(joined)});
}

}  // namespace

Result<PromptTemplate> PromptTemplate::parse(std::string_view source, std::string bos, std::string eos) {
    WEFT_TRY(auto parsed, jinja::Template::parse(source));
    PromptTemplate made(std::move(parsed), std::move(bos), std::move(eos));
    const auto format = detect_reply_format(source);
    made.calls_ = format.calls;
    if (format.thinks()) made.thinking_end_ = made.find_thinking_end(format);
    made.knows_max_effort_ = source.contains("'max'") || source.contains("\"max\"");
    made.short_call_ids_ = source.contains("length 9");
    made.text_arguments_ = made.wants_text_arguments();
    made.takes_tools_ = made.takes_tools_ && !made.fails_with_tools();
    return made;
}

PromptTemplate::PromptTemplate(jinja::Template parsed, std::string bos, std::string eos)
    : template_(std::move(parsed)),
      bos_(std::move(bos)),
      eos_(std::move(eos)),
      takes_tools_(template_.mentions("tools")),
      thinks_(template_.mentions("enable_thinking") || template_.mentions("thinking") ||
              template_.mentions("reasoning_effort")) {
    one_system_message_ = loses_system_messages();
}

bool PromptTemplate::loses_system_messages() const {
    const std::vector<ChatMessage> probe{{.role = "system", .content = "weft-one"},
                                         {.role = "system", .content = "weft-two"},
                                         {.role = "user", .content = "hello"},
                                         {.role = "system", .content = "weft-three"},
                                         {.role = "user", .content = "hello"}};
    const auto text = render_messages({}, probe, true, {});
    return !text || !text->contains("weft-one") || !text->contains("weft-two") || !text->contains("weft-three");
}

bool PromptTemplate::fails_with_tools() const {
    const std::vector<ChatMessage> probe{{.role = "user", .content = "hello"}};
    const ChatPrompt with{.messages = {}, .tools_json = {R"({"type":"function","function":{"name":"weft","description":"weft",)"
                                                         R"("parameters":{"type":"object","properties":{"a":{"type":"string","description":"weft"}},"required":["a"]}}})"}};
    return !render_messages(with, probe, true, {}) && render_messages({}, probe, true, {});
}

bool PromptTemplate::wants_text_arguments() {
    const std::vector<ChatMessage> probe{
        {.role = "user", .content = "hello"},
        {.role = "assistant",
         .content = "",
         .tool_calls = {{.id = "weftprobe", .name = "weft", .arguments_json = R"({"a":"weft-argument"})"}}}};
    const auto shows = [&](bool as_text) {
        text_arguments_ = as_text;
        const auto text = render_messages({}, probe, false, {});
        return text && text->contains("weft-argument");
    };
    return !shows(false) && shows(true);
}

// A turn that has both shows it. Templates that leave out earlier thoughts close an empty block in front of an answer
// without any; the others get the tag on a line of its own.
std::string PromptTemplate::find_thinking_end(const ReplyFormat& format) const {
    constexpr std::string_view thought = "weft-thought", answer = "weft-answer";
    // A message on another channel must be begun, too.
    if (format.calls == CallStyle::harmony) return format.thinking_close + "<|start|>assistant<|channel|>final<|message|>";
    std::vector<ChatMessage> turns(2);
    turns[0] = {.role = "user", .content = "hello"};
    turns[1] = {.role = "assistant", .content = std::string(answer), .thinking = std::string(thought)};
    if (const auto text = render_messages({}, turns, false, true)) {
        const auto begin = text->find(thought), end = text->find(answer);
        if (begin != std::string::npos && end != std::string::npos && begin < end) {
            auto between = text->substr(begin + thought.size(), end - begin - thought.size());
            if (between.contains(format.thinking_close)) return between;
        }
    }
    turns.pop_back();
    if (const auto text = render_messages({}, turns, true, false)) {
        const auto open = text->rfind(format.thinking_open), close = text->rfind(format.thinking_close);
        const auto ends = [&] { return text->find_first_not_of(" \n\t\r", close + format.thinking_close.size()) == std::string::npos; };
        if (open != std::string::npos && close != std::string::npos && open < close && ends())
            return (text->substr(open + format.thinking_open.size()).starts_with('\n') ? "\n" : "") + text->substr(close);
    }
    return "\n" + format.thinking_close + "\n\n";
}

Result<std::string> PromptTemplate::render(const ChatPrompt& prompt) const {
    auto messages = prompt.messages;
    if (short_call_ids_) shorten_call_ids(messages);
    const bool offers_tools = !prompt.tools_json.empty() && prompt.tool_choice != ToolChoice::none;
    if (offers_tools && !takes_tools_ && calls_ != CallStyle::none) tell_tools(prompt, calls_, messages);
    if (one_system_message_) join_system_messages(messages);
    const bool prefill = prompt.continue_final_message && !messages.empty() && messages.back().role == "assistant" &&
                         messages.back().tool_calls.empty();
    if (!prefill) return render_messages(prompt, messages, prompt.add_generation_prompt, prompt.thinking);
    // The answer has begun already: its turn is opened like any answer's, its words follow.
    const auto begun = std::move(messages.back().content);
    messages.pop_back();
    const auto thinking = prompt.thinking ? std::optional(false) : std::nullopt;
    WEFT_TRY(auto text, render_messages(prompt, messages, true, thinking));
    return text + begun;
}

Result<std::string> PromptTemplate::render_messages(const ChatPrompt& prompt, const std::vector<ChatMessage>& turns,
                                                    bool add_generation_prompt, std::optional<bool> thinking) const {
    jinja::Dict variables;
    if (!prompt.template_variables_json.empty()) {
        WEFT_TRY(auto extra, Value::from_json(prompt.template_variables_json));
        if (extra.is_dict())
            for (const auto& [key, value] : extra.as_dict().entries()) {
                const bool is_effort = key.is_string() && key.as_string() == "reasoning_effort" && value.is_string();
                variables.set(key, is_effort ? Value::string(std::string(known_effort(value.as_string(), knows_max_effort_))) : value);
            }
    }
    std::vector<Value> messages;
    for (const auto& turn : turns) {
        WEFT_TRY(auto value, message_value(turn, text_arguments_));
        messages.push_back(std::move(value));
    }
    variables.set("messages", Value::list(std::move(messages)));
    if (takes_tools_ && !prompt.tools_json.empty() && prompt.tool_choice != ToolChoice::none) {
        std::vector<Value> tools;
        for (const auto& tool : prompt.tools_json) {
            WEFT_TRY(auto value, Value::from_json(tool));
            tools.push_back(std::move(value));
        }
        variables.set("tools", Value::list(std::move(tools)));
    }
    if (thinking) {
        variables.set("enable_thinking", Value::boolean(*thinking));
        variables.set("thinking", Value::boolean(*thinking));
    }
    variables.set("add_generation_prompt", Value::boolean(add_generation_prompt));
    variables.set("bos_token", Value::string(bos_));
    variables.set("eos_token", Value::string(eos_));
    return template_.render(Value::dict(std::move(variables)));
}

}  // namespace weft
