#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

// How a family of models writes calls of tools into its answers. docs/tools.md shows each of them.
enum class CallStyle : std::uint8_t {
    none,            // unknown: the template does not take tools
    hermes,          // <tool_call>{"name": .., "arguments": {..}}</tool_call>
    bare_json,       // {"name": .., "parameters": {..}} from the start of the answer, or behind <|python_tag|>
    mistral_list,    // [TOOL_CALLS][{"name": .., "arguments": {..}}]
    mistral_args,    // [TOOL_CALLS]name[ARGS]{..}
    granite,         // <|tool_call|>[{"name": .., "arguments": {..}}]
    command_r,       // <|START_ACTION|>[{"tool_name": .., "parameters": {..}}]<|END_ACTION|>
    apriel,          // <tool_calls>[{"name": .., "arguments": {..}}]</tool_calls>
    apertus,         // <|tools_prefix|>[{"name": {..}}]<|tools_suffix|>
    gigachat,        // function call<|role_sep|>{"name": .., "arguments": {..}}
    deepseek_r1,     // <｜tool▁call▁begin｜>function<｜tool▁sep｜>name ```json {..} ```<｜tool▁call▁end｜>
    deepseek_v31,    // <｜tool▁call▁begin｜>name<｜tool▁sep｜>{..}<｜tool▁call▁end｜>
    deepseek_dsml,   // <｜DSML｜invoke name=".."><｜DSML｜parameter name=".." string="true">..
    kimi,            // <|tool_call_begin|>functions.name:0<|tool_call_argument_begin|>{..}<|tool_call_end|>
    functionary_v31, // <function=name>{..}</function>
    functionary_v32, // >>>name\n{..}
    qwen_xml,        // <tool_call><function=name><parameter=key>value</parameter></function></tool_call>
    seed_xml,        // the same inside <seed:tool_call>
    glm,             // <tool_call>name<arg_key>key</arg_key><arg_value>value</arg_value></tool_call>
    lfm2,            // <|tool_call_start|>[name(key="value")]<|tool_call_end|>
    gemma,           // <|tool_call>call:name{key:<|"|>value<|"|>}<tool_call|>
    harmony,         // <|channel|>commentary to=functions.name <|message|>{..}<|call|>
    mcp,             // <use_mcp_tool><server_name>..<tool_name>..<arguments>{..}</arguments></use_mcp_tool>
};

// How a model family writes what is not plain text in its answers. Known from the prompt template alone; the engine
// process tells it in ModelDescription.
struct ReplyFormat {
    CallStyle calls = CallStyle::none;
    std::string thinking_open{};   // begins a thinking block; empty: the model does not think
    std::string thinking_close{};  // ends it

    [[nodiscard]] bool thinks() const { return !thinking_open.empty(); }
    [[nodiscard]] bool calls_tools() const { return calls != CallStyle::none; }
    bool operator==(const ReplyFormat&) const = default;
};

// From a template's text, without running it: by the markers that only one family has.
[[nodiscard]] ReplyFormat detect_reply_format(std::string_view chat_template);

// The words that begin a call. Empty where there are none: harmony, and calls that stand at the start of the answer.
[[nodiscard]] const std::vector<std::string>& call_openers(CallStyle style);

// Words of the protocol around calls, which no client must see: "<tool_call>", "[TOOL_CALLS]", ... Where they are control
// tokens of the vocabulary, the engine writes them into the answer's text if, and only if, tools were offered.
[[nodiscard]] const std::vector<std::string>& call_markers(CallStyle style);

// Words that families put around the answer proper and that belong to nobody: "<|START_RESPONSE|>", ...
[[nodiscard]] const std::vector<std::string>& answer_markers(const ReplyFormat& format);

// "hermes", for logs and tests.
[[nodiscard]] std::string_view name_of(CallStyle style);

}  // namespace weft
