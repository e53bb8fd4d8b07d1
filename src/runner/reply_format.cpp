#include "runner/reply_format.h"

#include <array>

#include "base/assert.h"

namespace weft {
namespace {

using Words = std::vector<std::string>;

bool reads_tools(std::string_view text) { return text.contains("tools") || text.contains("tool_calls"); }

// The first row whose word stands in the template wins: rarer words come before those they contain or go with.
struct Sign {
    std::string_view word;
    CallStyle style;
};

constexpr std::array signs{
    Sign{"<|channel|>commentary", CallStyle::harmony},
    Sign{"<|tool_call>", CallStyle::gemma},
    Sign{"<seed:tool_call>", CallStyle::seed_xml},
    Sign{"<parameter=", CallStyle::qwen_xml},
    Sign{"<arg_key>", CallStyle::glm},
    Sign{"｜DSML｜", CallStyle::deepseek_dsml},
    Sign{"[ARGS]", CallStyle::mistral_args},
    Sign{"[TOOL_CALLS]", CallStyle::mistral_list},
    Sign{"<|START_ACTION|>", CallStyle::command_r},
    Sign{"<|tool_calls_section_begin|>", CallStyle::kimi},
    Sign{"<|tools_prefix|>", CallStyle::apertus},
    Sign{"<tool_calls>", CallStyle::apriel},
    Sign{"<|tool_call_start|>", CallStyle::lfm2},
    Sign{"<|tool_list_start|>", CallStyle::lfm2},
    Sign{"List of tools: [", CallStyle::lfm2},
    Sign{"<|tool_call|>", CallStyle::granite},
    Sign{">>>${recipient}", CallStyle::functionary_v32},
    Sign{">>>all", CallStyle::functionary_v32},
    Sign{"<function=", CallStyle::functionary_v31},
    Sign{"<use_mcp_tool>", CallStyle::mcp},
    Sign{"<tool_call>", CallStyle::hermes},
    Sign{"function call<|role_sep|>", CallStyle::gigachat},
    Sign{"<|message_sep|>", CallStyle::gigachat},
    Sign{"<|python_tag|>", CallStyle::bare_json},
};

CallStyle call_style_of(std::string_view text) {
    if (!reads_tools(text)) return CallStyle::none;
    // Version 3.1 of DeepSeek left out the kind of call and the code fence around its arguments.
    if (text.contains("<｜tool▁call▁begin｜>"))
        return text.contains("```json") ? CallStyle::deepseek_r1 : CallStyle::deepseek_v31;
    for (const auto& [word, style] : signs)
        if (text.contains(word)) return style;
    // Names no format of its own but shows its tools: models answer such prompts with the object they were shown.
    return CallStyle::bare_json;
}

struct Tags {
    std::string_view sign;
    std::string_view open;
    std::string_view close;
};

constexpr std::array thinking_tags{
    Tags{"<|channel|>analysis", "<|channel|>analysis<|message|>", "<|end|>"},
    Tags{"<|channel>thought", "<|channel>thought", "<channel|>"},
    Tags{"<seed:think>", "<seed:think>", "</seed:think>"},
    Tags{"<|START_THINKING|>", "<|START_THINKING|>", "<|END_THINKING|>"},
    Tags{"[THINK]", "[THINK]", "[/THINK]"},
    Tags{"<|inner_prefix|>", "<|inner_prefix|>", "<|inner_suffix|>"},
    Tags{"[BEGIN FINAL RESPONSE]", "Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]"},
    Tags{"<think>", "<think>", "</think>"},
    Tags{"</think>", "<think>", "</think>"},
    Tags{"enable_thinking", "<think>", "</think>"},
};

// What a family writes around calls.
struct CallWords {
    CallStyle style;
    std::string_view name;
    Words openers;
    Words markers;
};

// One row for each style, in their order.
const std::array<CallWords, 23>& call_words() {
    using enum CallStyle;
    static const std::array<CallWords, 23> rows{{
        {none, "none", {}, {}},
        {hermes, "hermes", {"<tool_call>"}, {"<tool_call>", "</tool_call>"}},
        {bare_json, "bare_json", {"<|python_tag|>"}, {"<|python_tag|>"}},
        {mistral_list, "mistral_list", {"[TOOL_CALLS]"}, {"[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"}},
        {mistral_args, "mistral_args", {"[TOOL_CALLS]"}, {"[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"}},
        {granite, "granite", {"<|tool_call|>", "<tool_call>"}, {"<|tool_call|>", "<|/tool_call|>", "<tool_call>", "</tool_call>"}},
        {command_r, "command_r", {"<|START_ACTION|>"}, {"<|START_ACTION|>", "<|END_ACTION|>"}},
        {apriel, "apriel", {"<tool_calls>"}, {"<tool_calls>", "</tool_calls>"}},
        {apertus, "apertus", {"<|tools_prefix|>"}, {"<|tools_prefix|>", "<|tools_suffix|>"}},
        {gigachat, "gigachat", {"function call<|role_sep|>"}, {"function call<|role_sep|>", "<|role_sep|>", "<|message_sep|>"}},
        {deepseek_r1, "deepseek_r1", {"<｜tool▁call▁begin｜>"}, {"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁sep｜>"}},
        {deepseek_v31, "deepseek_v31", {"<｜tool▁call▁begin｜>"}, {"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁sep｜>"}},
        {deepseek_dsml, "deepseek_dsml", {"<｜DSML｜invoke name=\""}, {"<｜DSML｜function_calls>", "</｜DSML｜function_calls>", "<｜DSML｜tool_calls>", "</｜DSML｜tool_calls>", "<｜DSML｜invoke", "</｜DSML｜invoke>", "<｜DSML｜parameter", "</｜DSML｜parameter>", "｜DSML｜"}},
        {kimi, "kimi", {"<|tool_call_begin|>"}, {"<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", "<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"}},
        {functionary_v31, "functionary_v31", {"<function="}, {"<function=", "</function>", "<|python_tag|>"}},
        {functionary_v32, "functionary_v32", {">>>"}, {">>>"}},
        {qwen_xml, "qwen_xml", {"<function="}, {"<tool_call>", "</tool_call>", "<function=", "</function>", "<parameter=", "</parameter>"}},
        {seed_xml, "seed_xml", {"<function="}, {"<seed:tool_call>", "</seed:tool_call>", "<function=", "</function>", "<parameter=", "</parameter>"}},
        {glm, "glm", {"<tool_call>"}, {"<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"}},
        {lfm2, "lfm2", {"<|tool_call_start|>"}, {"<|tool_call_start|>", "<|tool_call_end|>"}},
        {gemma, "gemma", {"<|tool_call>"}, {"<|tool_call>", "<tool_call|>", "<|\"|>"}},
        // Channels, not words, open its calls: see HarmonyParser.
        {harmony, "harmony", {}, {"<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|end|>", "<|call|>", "<|return|>"}},
        {mcp, "mcp", {"<use_mcp_tool>"}, {"<use_mcp_tool>", "</use_mcp_tool>", "<server_name>", "</server_name>", "<tool_name>", "</tool_name>", "<arguments>", "</arguments>"}},
    }};
    return rows;
}

const CallWords& words_of(CallStyle style) {
    const auto& row = call_words().at(static_cast<std::size_t>(style));
    assert_that(row.style == style, "the rows are in the order of the styles");
    return row;
}

}  // namespace

ReplyFormat detect_reply_format(std::string_view text) {
    ReplyFormat format;
    format.calls = call_style_of(text);
    for (const auto& tags : thinking_tags) {
        if (!text.contains(tags.sign)) continue;
        format.thinking_open = tags.open;
        format.thinking_close = tags.close;
        break;
    }
    return format;
}

const std::vector<std::string>& call_openers(CallStyle style) { return words_of(style).openers; }

const std::vector<std::string>& call_markers(CallStyle style) { return words_of(style).markers; }

const std::vector<std::string>& answer_markers(const ReplyFormat& format) {
    static const Words none;
    static const Words command_r{"<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>"};
    static const Words granite{"<response>", "</response>"};
    static const Words apriel{"[END FINAL RESPONSE]", "[BEGIN FINAL RESPONSE]"};
    if (format.calls == CallStyle::command_r) return command_r;
    if (format.calls == CallStyle::granite && format.thinks()) return granite;
    if (format.thinking_close == "[BEGIN FINAL RESPONSE]") return apriel;
    return none;
}

std::string_view name_of(CallStyle style) { return words_of(style).name; }

}  // namespace weft
