#include "engine/go_prompt_template.h"

#include <utility>
#include <vector>

#include "gotemplate/template.h"
#include "jinja/value.h"

namespace weft {
namespace {

namespace go = gotemplate;
using go::Record;
using go::Value;

// ---- JSON to what templates see -------------------------------------------------------------------------------------

// Depth is bounded by that of the JSON.
Value value_of(const jinja::Value& json) {
    switch (json.kind()) {
        case jinja::Kind::boolean: return Value::boolean(json.as_boolean());
        case jinja::Kind::integer: return Value::integer(json.as_integer());
        case jinja::Kind::real: return Value::real(json.as_real());
        case jinja::Kind::string: return Value::string(std::string(json.as_string()));
        case jinja::Kind::sequence: {
            go::List list;
            for (const auto& item : json.as_sequence().items) list.items.push_back(value_of(item));
            return Value::list(std::move(list));
        }
        case jinja::Kind::dict: {
            go::Map map;
            for (const auto& [key, value] : json.as_dict().entries()) map.entries[std::string(key.as_string())] = value_of(value);
            return Value::map(std::move(map));
        }
        default: return {};
    }
}

const jinja::Value* member(const jinja::Value& json, std::string_view key) {
    return json.is_dict() ? json.as_dict().find(key) : nullptr;
}

Value member_value(const jinja::Value& json, std::string_view key) {
    const auto* found = member(json, key);
    return found ? value_of(*found) : Value();
}

Value text_member(const jinja::Value& json, std::string_view key) {
    const auto* found = member(json, key);
    return Value::string(found && found->is_string() ? std::string(found->as_string()) : std::string());
}

// The fields that are empty are left out of the JSON, as in the reference.
Record::Field optional_field(std::string name, std::string json_name, Value value) {
    if (!value.truthy()) json_name.clear();
    return {.name = std::move(name), .json_name = std::move(json_name), .value = std::move(value)};
}

Value property_value(const jinja::Value& json);

Value properties_value(const jinja::Value& json) {
    go::Map map;
    map.shown = go::Shown::as_json;
    if (json.is_dict())
        for (const auto& [key, value] : json.as_dict().entries()) map.entries[std::string(key.as_string())] = property_value(value);
    return Value::map(std::move(map));
}

Value nested_properties(const jinja::Value& json) {
    const auto* found = member(json, "properties");
    return found ? properties_value(*found) : Value();
}

Value alternatives(const jinja::Value& json) {
    const auto* found = member(json, "anyOf");
    if (found == nullptr || !found->is_sequence()) return {};
    go::List list;
    for (const auto& item : found->as_sequence().items) list.items.push_back(property_value(item));
    return Value::list(std::move(list));
}

Value property_value(const jinja::Value& json) {
    return Value::record({{optional_field("AnyOf", "anyOf", alternatives(json)),
                           optional_field("Type", "type", member_value(json, "type")),
                           optional_field("Items", "items", member_value(json, "items")),
                           optional_field("Description", "description", text_member(json, "description")),
                           optional_field("Enum", "enum", member_value(json, "enum")),
                           optional_field("Properties", "properties", nested_properties(json)),
                           optional_field("Required", "required", member_value(json, "required"))}});
}

Value parameters_value(const jinja::Value& json) {
    const auto* properties = member(json, "properties");
    return Value::record({{{"Type", "type", text_member(json, "type")},
                           optional_field("Defs", "$defs", member_value(json, "$defs")),
                           optional_field("Items", "items", member_value(json, "items")),
                           optional_field("Required", "required", member_value(json, "required")),
                           {"Properties", "properties", properties_value(properties ? *properties : jinja::Value())}}});
}

Value tool_value(const jinja::Value& json) {
    const auto* inner = member(json, "function");
    const auto& function = inner ? *inner : json;
    const auto* parameters = member(function, "parameters");
    return Value::record({{{"Type", "type", Value::string("function")},
                           {"Function", "function",
                            Value::record({{{"Name", "name", text_member(function, "name")},
                                            optional_field("Description", "description", text_member(function, "description")),
                                            {"Parameters", "parameters", parameters_value(parameters ? *parameters : jinja::Value())}}})}}});
}

Result<Value> tools_value(const ChatPrompt& prompt) {
    if (prompt.tools_json.empty() || prompt.tool_choice == ToolChoice::none) return Value();
    go::List tools{.items = {}, .shown = go::Shown::as_json};
    for (const auto& text : prompt.tools_json) {
        WEFT_TRY(const auto json, jinja::Value::from_json(text));
        tools.items.push_back(tool_value(json));
    }
    return Value::list(std::move(tools));
}

// Text that is not JSON is passed on as text: that is what the client said.
Value arguments_value(const std::string& text) {
    const auto json = jinja::Value::from_json(text.empty() ? "{}" : text);
    if (!json || !json->is_dict()) return Value::string(text);
    go::Map map = value_of(*json).as_map();
    map.shown = go::Shown::as_json;
    return Value::map(std::move(map));
}

Value tool_calls_value(const std::vector<ToolCall>& calls) {
    if (calls.empty()) return {};
    go::List list;
    for (const auto& call : calls) {
        const auto index = static_cast<std::int64_t>(list.items.size());
        list.items.push_back(Value::record({{{"ID", "id", Value::string(call.id)},
                                             {"Function", "function",
                                              Value::record({{{"Index", "index", Value::integer(index)},
                                                              {"Name", "name", Value::string(call.name)},
                                                              {"Arguments", "arguments", arguments_value(call.arguments_json)}}})}}}));
    }
    return Value::list(std::move(list));
}

Value message_value(const ChatMessage& message) {
    return Value::record({{{"Role", "role", Value::string(message.role)},
                           {"Content", "content", Value::string(message.content)},
                           optional_field("Thinking", "thinking", Value::string(message.thinking)),
                           optional_field("Images", "", Value()),
                           optional_field("ToolCalls", "tool_calls", tool_calls_value(message.tool_calls)),
                           optional_field("ToolName", "tool_name", Value::string(message.tool_name)),
                           optional_field("ToolCallID", "tool_call_id", Value::string(message.tool_call_id))}});
}

// ---- the conversation -----------------------------------------------------------------------------------------------

// Neighbours with the same role become one message, but tools' answers.
std::vector<ChatMessage> merged(const std::vector<ChatMessage>& messages) {
    std::vector<ChatMessage> result;
    for (const auto& message : messages) {
        const bool joins = !result.empty() && result.back().role == message.role && message.role != "tool";
        if (joins) result.back().content += "\n\n" + message.content;
        else result.push_back(message);
    }
    return result;
}

std::string system_text(const std::vector<ChatMessage>& messages) {
    std::string joined;
    bool any = false;
    for (const auto& message : messages) {
        if (message.role != "system") continue;
        if (std::exchange(any, true)) joined += "\n\n";
        joined += message.content;
    }
    return joined;
}

class Rendering {
  public:
    static Result<std::string> run(std::string_view source, const ChatPrompt& prompt) {
        WEFT_TRY(auto parsed, go::Template::parse(source));
        const bool complete = parsed.mentions("Messages") || parsed.mentions("Response");
        if (!complete) {
            WEFT_TRY(parsed, go::Template::parse(std::string(source) + "{{ .Response }}"));
        }
        Rendering rendering(std::move(parsed), prompt);
        if (!prompt.suffix.empty() && !rendering.template_.mentions("Suffix"))
            return fail(ErrorCode::unsupported, "the template does not support insert: it has no .Suffix");
        if (!prompt.suffix.empty()) return rendering.fill_in();
        if (rendering.template_.mentions("Messages")) return rendering.all_messages();
        return rendering.exchanges();
    }

  private:
    Rendering(go::Template parsed, const ChatPrompt& prompt) : template_(std::move(parsed)), prompt_(prompt) {}

    [[nodiscard]] go::Map common() const {
        go::Map data;
        const bool thinks = prompt_.thinking.value_or(false);
        data.entries["Think"] = Value::boolean(thinks);
        data.entries["ThinkLevel"] = Value::string(thinks ? level() : std::string());
        data.entries["IsThinkSet"] = Value::boolean(prompt_.thinking.has_value());
        return data;
    }

    [[nodiscard]] std::string level() const {
        const auto variables = jinja::Value::from_json(prompt_.template_variables_json.empty() ? "{}" : prompt_.template_variables_json);
        const auto* effort = variables ? member(*variables, "reasoning_effort") : nullptr;
        return effort && effort->is_string() ? std::string(effort->as_string()) : "medium";
    }

    [[nodiscard]] Result<std::string> fill_in() const {
        auto data = common();
        data.entries["Prompt"] = Value::string(prompt_.messages.empty() ? std::string() : prompt_.messages.back().content);
        data.entries["Suffix"] = Value::string(prompt_.suffix);
        data.entries["Response"] = Value::string("");
        return template_.render(Value::map(std::move(data)));
    }

    [[nodiscard]] Result<std::string> all_messages() const {
        auto data = common();
        go::List messages;
        for (const auto& message : merged(prompt_.messages)) messages.items.push_back(message_value(message));
        data.entries["System"] = Value::string(system_text(prompt_.messages));
        data.entries["Messages"] = Value::list(std::move(messages));
        WEFT_TRY(data.entries["Tools"], tools_value(prompt_));
        data.entries["Response"] = Value::string("");
        return template_.render(Value::map(std::move(data)));
    }

    struct Exchange {
        std::string system, prompt, response;
        [[nodiscard]] bool begun() const { return !prompt.empty() || !response.empty(); }
    };

    [[nodiscard]] Result<std::string> exchanges() const {
        const go::Budget budget;
        go::Meter meter(budget);  // one for all exchanges: there may be many
        std::string text;
        Exchange exchange;
        for (const auto& message : merged(prompt_.messages)) {
            const bool next_begins = (message.role == "system" && exchange.begun()) ||
                                     (message.role == "user" && !exchange.response.empty());
            if (next_begins) WEFT_CHECK(add(text, std::exchange(exchange, {}), {.meter = &meter}));
            if (message.role == "system") exchange.system = message.content;
            else if (message.role == "user") exchange.prompt = message.content;
            else if (message.role == "assistant") exchange.response = message.content;
        }
        WEFT_CHECK(add(text, std::move(exchange), {.meter = &meter, .cut_behind = "Response"}));
        return text;
    }

    [[nodiscard]] Result<void> add(std::string& text, Exchange exchange, const go::Template::Options& options) const {
        auto data = common();
        data.entries["System"] = Value::string(std::move(exchange.system));
        data.entries["Prompt"] = Value::string(std::move(exchange.prompt));
        data.entries["Response"] = Value::string(std::move(exchange.response));
        WEFT_TRY(const auto more, template_.render(Value::map(std::move(data)), options));
        WEFT_CHECK(options.meter->output(text.size() + more.size()));
        text += more;
        return {};
    }

    go::Template template_;
    const ChatPrompt& prompt_;
};

}  // namespace

Result<std::string> render_go_template(std::string_view source, const ChatPrompt& prompt) {
    auto text = Rendering::run(source, prompt);
    if (!text) text.error().field = "template";
    return text;
}

}  // namespace weft
