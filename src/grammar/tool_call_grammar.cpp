#include "grammar/tool_call_grammar.h"

#include <algorithm>
#include <glaze/json.hpp>

#include "grammar/gbnf_builder.h"
#include "grammar/schema_json.h"
#include "grammar/tool_notation.h"

namespace weft {
namespace {

using Json = SchemaJson;

std::string string_at(const Json& object, std::string_view key) {
    const auto* value = member(object, key);
    return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

std::optional<std::uint64_t> count_at(const Json& object, std::string_view key) {
    const auto* value = member(object, key);
    if (value == nullptr || !value->is_number() || value->as<double>() < 0 || value->as<double>() > 1e9) return std::nullopt;
    return static_cast<std::uint64_t>(value->as<double>());
}

// The properties of a schema, for families that write each argument apart.
void add_parameters(const Json& schema, GrammarTool& tool) {
    const auto* properties = member(schema, "properties");
    if (properties == nullptr || !properties->is_object()) return;
    const auto* required = member(schema, "required");
    for (const auto& [name, value] : properties->get_object()) {
        ToolParameter parameter{.name = name, .schema = compact_json(value)};
        const auto* type = member(value, "type");
        parameter.is_string = type != nullptr && type->is_string() && type->get<std::string>() == "string";
        if (required != nullptr && required->is_array())
            parameter.required = std::ranges::any_of(required->get_array(), [&name](const Json& entry) {
                return entry.is_string() && entry.get<std::string>() == name;
            });
        if (const auto* choices = member(value, "enum"); choices != nullptr && choices->is_array())
            for (const auto& choice : choices->get_array())
                if (choice.is_string()) parameter.choices.push_back(choice.get<std::string>());
        if (const auto* only = member(value, "const"); only != nullptr && only->is_string()) parameter.choices = {only->get<std::string>()};
        parameter.pattern = string_at(value, "pattern");
        parameter.format = string_at(value, "format");
        parameter.least = count_at(value, "minLength");
        parameter.most = count_at(value, "maxLength");
        tool.parameters.push_back(std::move(parameter));
    }
}

// A function that declares no parameters, and says nothing of others.
bool takes_nothing(const Json& schema) {
    const auto* properties = member(schema, "properties");
    if (properties == nullptr || !properties->is_object() || !properties->get_object().empty()) return false;
    return std::ranges::all_of(schema.get_object(), [](const auto& entry) {
        return entry.first == "properties" || entry.first == "type" || entry.first == "required" || is_annotation(entry.first);
    });
}

Result<GrammarTool> tool_of(const std::string& tool_json, std::size_t index) {
    const auto field = "tools[" + std::to_string(index) + "]";
    Json json;
    if (glz::read_json(json, tool_json)) return fail_field(ErrorCode::invalid_request, field, "'" + field + "' is not JSON");
    const auto* function = member(json, "function");
    const auto* name = function ? member(*function, "name") : nullptr;
    if (name == nullptr || !name->is_string())
        return fail_field(ErrorCode::invalid_request, field + ".function.name", "'" + field + ".function.name' is required");
    GrammarTool tool{.name = name->get<std::string>(), .field = field + ".function.parameters"};
    const auto* strict = member(*function, "strict");
    tool.strict = strict != nullptr && strict->is_boolean() && strict->get<bool>();
    if (const auto* schema = member(*function, "parameters")) {
        auto said = *schema;
        drop_null_keywords(said, !tool.strict);
        if (takes_nothing(said)) said["additionalProperties"] = false;
        tool.schema = compact_json(said);
        add_parameters(said, tool);
    }
    return tool;
}

Result<std::vector<GrammarTool>> tools_of(const ChatPrompt& prompt) {
    std::vector<GrammarTool> tools;
    for (std::size_t i = 0; i < prompt.tools_json.size(); ++i) {
        WEFT_TRY(auto tool, tool_of(prompt.tools_json[i], i));
        if (prompt.tool_choice_name.empty() || tool.name == prompt.tool_choice_name) tools.push_back(std::move(tool));
    }
    if (tools.empty())
        return fail_field(ErrorCode::invalid_request, "tool_choice",
                          "'tool_choice' names a function that is not among the tools");
    return tools;
}

Result<std::string> add_format(GbnfBuilder& builder, const GenerateRequest& request) {
    switch (request.format) {
        case OutputFormat::json: return builder.add_any_object();
        case OutputFormat::json_schema: {
            // Whether all of it can be enforced is found out beside the grammar that is being written.
            GbnfBuilder exact(Unenforceable::refuse);
            if (!request.format_lenient) WEFT_CHECK(exact.add_schema(request.format_definition));
            return builder.add_schema(request.format_definition);
        }
        case OutputFormat::regex: return builder.add_regex(request.format_definition, true);
        case OutputFormat::gbnf:
        case OutputFormat::text: break;
    }
    return fail(ErrorCode::invalid_request,
                "a grammar cannot be combined with tools: use a JSON schema, or force or forbid tool calls");
}

// A text answer in the wanted format, as an alternative to calls.
Result<std::string> format_rule(GbnfBuilder& builder, const GenerateRequest& request) {
    auto rule = add_format(builder, request);
    if (rule) return rule;
    auto error = std::move(rule).error();
    error.field = request.format_field;
    if (request.format != OutputFormat::gbnf) error.reason = ErrorReason::invalid_schema;
    return std::unexpected(std::move(error));
}

}  // namespace

Result<ConstraintPlan> tool_call_plan(const ReplyFormat& format, const GenerateRequest& request, const ChatPrompt& prompt) {
    if (prompt.tools_json.empty() || prompt.tool_choice == ToolChoice::none) return ConstraintPlan{};
    if (!format.calls_tools())
        return fail_field(ErrorCode::unsupported, "tools", "the model does not support tools");
    const bool forced = prompt.tool_choice == ToolChoice::required;
    const bool formatted = request.format != OutputFormat::text && !forced;
    auto triggers = call_triggers(format.calls);
    if (!forced && !formatted && triggers.empty()) return ConstraintPlan{};

    WEFT_TRY(const auto tools, tools_of(prompt));
    GbnfBuilder builder(Unenforceable::ignore);
    // Templates of this family refuse a turn with several calls: it could not be sent back.
    const bool parallel = prompt.parallel_tool_calls && format.calls != CallStyle::bare_json;
    WEFT_TRY(const auto calls, add_calls(builder, format.calls, tools, {.parallel = parallel, .forced = forced}));
    auto root = calls;
    const auto space = builder.add_shared_rule("space", "[ \\t\\r\\n]{0,8}");
    if (formatted) {
        WEFT_TRY(const auto text, format_rule(builder, request));
        root = builder.add_rule("answer", space + " (" + calls + " | " + text + ")");
    } else if (forced && format.calls != CallStyle::functionary_v32) {  // whose name follows the prompt's last word at once
        root = builder.add_rule("answer", space + " " + calls);
    }
    WEFT_TRY(auto gbnf, std::move(builder).finish(root));
    return ConstraintPlan{.gbnf = std::move(gbnf),
                          .after_thinking = format.thinks(),
                          .triggers = forced || formatted ? std::vector<std::string>{} : std::move(triggers)};
}

}  // namespace weft
