#include "api/openai/chat_request.h"

#include <algorithm>
#include <array>

#include "api/openai/chat_messages.h"
#include "api/openai/output_format.h"
#include "api/tool_fields.h"

namespace weft::api::openai {
namespace {

constexpr std::array<std::string_view, 8> efforts{"none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra"};
constexpr std::size_t max_metadata_pairs = 16;

Result<std::optional<std::string>> read_effort(const JsonReader& value) {
    WEFT_TRY(auto effort, value.string());
    if (effort && std::ranges::find(efforts, *effort) == efforts.end())
        return value.invalid("must be one of none, minimal, low, medium, high, xhigh, max, ultra");
    return effort;
}

constexpr std::int64_t max_thinking_budget = 1 << 30;

// Negative, as in "-1": no limit.
Result<std::optional<std::uint32_t>> read_budget(const JsonReader& budget) {
    WEFT_TRY(const auto tokens, budget.integer(INT64_MIN, max_thinking_budget));
    if (!tokens || *tokens < 0) return std::nullopt;
    return static_cast<std::uint32_t>(*tokens);
}

}  // namespace

Result<std::optional<std::uint32_t>> read_thinking_budget(const JsonReader& body) {
    for (const auto& value : {body["thinking_budget"], body["options"]["thinking_budget"], body["reasoning"]["max_tokens"],
                              body["thinking"]["budget_tokens"]}) {
        WEFT_TRY(const auto budget, read_budget(value));
        if (budget) return budget;
    }
    return std::nullopt;
}

namespace {

// `think` is Ollama's: a switch or a level.
Result<std::optional<bool>> read_think(const JsonReader& think) {
    if (think.is_string()) {
        WEFT_TRY(const auto level, read_effort(think));
        return *level != "none";
    }
    return think.boolean();
}

// `thinking` as Anthropic's clients write it.
Result<std::optional<bool>> read_thinking_object(const JsonReader& thinking) {
    WEFT_CHECK(thinking.object());
    WEFT_TRY(const auto type, thinking["type"].string());
    if (!type) return std::nullopt;
    if (*type != "enabled" && *type != "disabled") return thinking["type"].invalid("must be enabled or disabled");
    return *type == "enabled";
}

struct Thinking {
    std::optional<bool> on;
    std::optional<std::string> effort;  // for templates that know levels
};

// The spellings of one wish, the most specific first.
Result<Thinking> read_thinking(const JsonReader& body) {
    const auto reasoning = body["reasoning"];
    WEFT_CHECK(reasoning.object());
    WEFT_TRY(auto effort, read_effort(body["reasoning_effort"]));
    WEFT_TRY(auto nested_effort, read_effort(reasoning["effort"]));
    WEFT_TRY(const auto enabled, reasoning["enabled"].boolean());
    WEFT_TRY(const auto kwarg, body["chat_template_kwargs"]["enable_thinking"].boolean());
    WEFT_TRY(const auto flag, body["enable_thinking"].boolean());
    WEFT_TRY(const auto think, read_think(body["think"]));
    WEFT_TRY(const auto object, read_thinking_object(body["thinking"]));

    Thinking wish{.effort = effort ? std::move(effort) : std::move(nested_effort)};
    if (!wish.effort && body["think"].is_string()) wish.effort = body["think"].json().get<std::string>();
    for (const auto& value : {kwarg, flag, think, object, enabled})
        if (!wish.on) wish.on = value;
    if (!wish.on && wish.effort) wish.on = *wish.effort != "none";
    // A budget for the thinking asks for it, too.
    WEFT_TRY(const auto budget, read_budget(reasoning["max_tokens"]));
    if (!wish.on && budget && *budget > 0) wish.on = true;
    return wish;
}

// What the template sees besides the conversation.
Result<std::string> read_template_variables(const JsonReader& body, const Thinking& thinking) {
    Json variables = Json::object_t{};
    WEFT_TRY(const auto kwargs, body["chat_template_kwargs"].object());
    for (const auto& [name, value] : kwargs.value_or(std::vector<std::pair<std::string, JsonReader>>{}))
        if (name != "enable_thinking" && !value.absent()) variables[name] = value.json();
    WEFT_TRY(const auto documents, body["documents"].array());
    if (documents && !documents->empty()) variables["documents"] = body["documents"].json();
    if (thinking.effort && *thinking.effort != "none") variables["reasoning_effort"] = *thinking.effort;
    if (variables.get_object().empty()) return std::string();
    return api::write_json(variables);
}

// `functions` and `function_call` are how tools were first called.
Result<void> read_legacy_functions(const JsonReader& body, ChatPrompt& prompt) {
    WEFT_TRY(const auto list, body["functions"].array());
    if (list && list->size() > max_tools)
        return body["functions"].invalid("must have at most " + std::to_string(max_tools) + " functions");
    for (const auto& element : list.value_or(std::vector<JsonReader>{})) {
        WEFT_TRY(auto tool, function_tool(element));
        prompt.tools_json.push_back(std::move(tool));
    }
    prompt.parallel_tool_calls = false;  // an answer of this form has room for one
    const auto choice = body["function_call"];
    if (choice.is_object()) return force_tool(choice["name"], choice.path(), prompt);
    return apply_tool_choice(choice, prompt);
}

bool uses_legacy_functions(const JsonReader& body) {
    const auto functions = body["functions"];
    return body["tools"].absent() && !functions.absent() && !(functions.is_array() && functions.json().get_array().empty());
}

Result<void> read_tool_fields(const JsonReader& body, ChatPrompt& prompt) {
    if (uses_legacy_functions(body)) return read_legacy_functions(body, prompt);
    WEFT_TRY(prompt.tools_json, read_tools(body["tools"]));
    WEFT_TRY(const auto parallel, body["parallel_tool_calls"].boolean());
    prompt.parallel_tool_calls = parallel.value_or(true);
    return apply_tool_choice(body["tool_choice"], prompt);
}

}  // namespace

Result<void> read_template_fields(const JsonReader& body, ChatPrompt& prompt) {
    WEFT_TRY(const auto thinking, read_thinking(body));
    prompt.thinking = thinking.on;
    WEFT_TRY(prompt.template_variables_json, read_template_variables(body, thinking));
    WEFT_TRY(const auto generation_prompt, body["add_generation_prompt"].boolean());
    WEFT_TRY(const auto continue_final, body["continue_final_message"].boolean());
    prompt.add_generation_prompt = generation_prompt.value_or(true);
    prompt.continue_final_message = continue_final.value_or(true);
    return {};
}

namespace {

Result<ChatPrompt> read_prompt(const JsonReader& body) {
    ChatPrompt prompt;
    WEFT_TRY(prompt.messages, read_messages(body["messages"]));
    WEFT_CHECK(read_tool_fields(body, prompt));
    WEFT_CHECK(read_template_fields(body, prompt));
    return prompt;
}

Result<void> read_choices(const JsonReader& body, GenerateRequest& generate) {
    WEFT_TRY(const auto n, body["n"].integer(1, max_choices));
    generate.choices = static_cast<std::uint32_t>(n.value_or(1));
    return {};
}

Result<void> read_logprobs(const JsonReader& body, GenerateRequest& generate) {
    WEFT_TRY(const auto wanted, body["logprobs"].boolean());
    WEFT_TRY(const auto top, body["top_logprobs"].integer(0, max_top_logprobs));
    generate.logprobs = wanted.value_or(false);
    generate.top_logprobs = static_cast<std::uint32_t>(top.value_or(0));
    if (generate.top_logprobs > 0 && !generate.logprobs)
        return body["top_logprobs"].invalid("needs 'logprobs' to be true");
    return {};
}

Result<bool> read_separate_thinking(const JsonReader& value) {
    WEFT_TRY(const auto format, value.string());
    if (!format || *format == "auto" || *format == "deepseek") return true;
    if (*format == "none") return false;
    return value.invalid("must be one of auto, deepseek, none");
}

}  // namespace

Result<void> check_accepted(const JsonReader& body) {
    WEFT_TRY(const auto metadata, body["metadata"].object());
    if (metadata && metadata->size() > max_metadata_pairs)
        return body["metadata"].invalid("must have at most " + std::to_string(max_metadata_pairs) + " pairs");
    return {};
}

Result<void> read_conversation(const JsonReader& body, GenerateRequest& generate) {
    WEFT_TRY(generate.prompt, read_prompt(body));
    WEFT_TRY(generate.thinking_budget, read_thinking_budget(body));
    return read_output_format(body, generate);
}

Result<ChatCall> read_chat_call(const JsonReader& body) {
    ChatCall call;
    WEFT_TRY(call.request.model, read_model(body));
    WEFT_TRY(call.request.generate.prompt, read_prompt(body));
    call.legacy_functions = uses_legacy_functions(body);
    WEFT_TRY(call.request.generate.thinking_budget, read_thinking_budget(body));
    WEFT_CHECK(read_sampling(body, call.request));
    WEFT_CHECK(read_choices(body, call.request.generate));
    WEFT_CHECK(read_logprobs(body, call.request.generate));
    WEFT_TRY(call.stream, read_stream_fields(body));
    WEFT_TRY(call.separate_thinking, read_separate_thinking(body["reasoning_format"]));
    WEFT_CHECK(check_accepted(body));
    WEFT_CHECK(read_output_format(body, call.request.generate));
    WEFT_CHECK(refuse_later_fields(body));
    return call;
}

}  // namespace weft::api::openai
