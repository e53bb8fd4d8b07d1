#include "runner/reply_format.h"

#include <array>
#include <utility>

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

bool has_sections(CallStyle style) {
    return style == CallStyle::deepseek_r1 || style == CallStyle::deepseek_v31 || style == CallStyle::kimi;
}

}  // namespace

ReplyFormat detect_reply_format(std::string_view text) {
    ReplyFormat format;
    format.calls = call_style_of(text);
    format.calls_follow_section = has_sections(format.calls);
    for (const auto& tags : thinking_tags) {
        if (!text.contains(tags.sign)) continue;
        format.thinking_open = tags.open;
        format.thinking_close = tags.close;
        break;
    }
    return format;
}

const std::vector<std::string>& call_openers(CallStyle style) {
    static const Words none;
    static const Words tool_call{"<tool_call>"};
    static const Words python_tag{"<|python_tag|>"};
    static const Words mistral{"[TOOL_CALLS]"};
    static const Words granite{"<|tool_call|>", "<tool_call>"};
    static const Words command_r{"<|START_ACTION|>"};
    static const Words apriel{"<tool_calls>"};
    static const Words apertus{"<|tools_prefix|>"};
    static const Words gigachat{"function call<|role_sep|>"};
    static const Words deepseek{"<｜tool▁call▁begin｜>"};
    static const Words dsml{"<｜DSML｜invoke name=\""};
    static const Words kimi{"<|tool_call_begin|>"};
    static const Words function_tag{"<function="};
    static const Words recipient{">>>"};
    static const Words lfm2{"<|tool_call_start|>"};
    static const Words gemma{"<|tool_call>"};
    static const Words mcp{"<use_mcp_tool>"};
    switch (style) {
        case CallStyle::none:
        case CallStyle::harmony: return none;  // channels, not words: see HarmonyParser
        case CallStyle::hermes:
        case CallStyle::glm: return tool_call;
        case CallStyle::bare_json: return python_tag;
        case CallStyle::mistral_list:
        case CallStyle::mistral_args: return mistral;
        case CallStyle::granite: return granite;
        case CallStyle::command_r: return command_r;
        case CallStyle::apriel: return apriel;
        case CallStyle::apertus: return apertus;
        case CallStyle::gigachat: return gigachat;
        case CallStyle::deepseek_r1:
        case CallStyle::deepseek_v31: return deepseek;
        case CallStyle::deepseek_dsml: return dsml;
        case CallStyle::kimi: return kimi;
        case CallStyle::functionary_v31:
        case CallStyle::qwen_xml:
        case CallStyle::seed_xml: return function_tag;
        case CallStyle::functionary_v32: return recipient;
        case CallStyle::lfm2: return lfm2;
        case CallStyle::gemma: return gemma;
        case CallStyle::mcp: return mcp;
    }
    std::unreachable();
}

const std::vector<std::string>& call_markers(CallStyle style) {
    static const Words none;
    static const Words tool_call{"<tool_call>", "</tool_call>"};
    static const Words python_tag{"<|python_tag|>"};
    static const Words mistral{"[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"};
    static const Words granite{"<|tool_call|>", "<|/tool_call|>", "<tool_call>", "</tool_call>"};
    static const Words command_r{"<|START_ACTION|>", "<|END_ACTION|>"};
    static const Words apriel{"<tool_calls>", "</tool_calls>"};
    static const Words apertus{"<|tools_prefix|>", "<|tools_suffix|>"};
    static const Words gigachat{"function call<|role_sep|>", "<|role_sep|>", "<|message_sep|>"};
    static const Words deepseek{"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>",
                                "<｜tool▁call▁end｜>", "<｜tool▁sep｜>"};
    static const Words dsml{"<｜DSML｜function_calls>", "</｜DSML｜function_calls>", "<｜DSML｜tool_calls>",
                            "</｜DSML｜tool_calls>",    "<｜DSML｜invoke",           "</｜DSML｜invoke>",
                            "<｜DSML｜parameter",       "</｜DSML｜parameter>",      "｜DSML｜"};
    static const Words kimi{"<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", "<|tool_call_begin|>",
                            "<|tool_call_argument_begin|>", "<|tool_call_end|>"};
    static const Words functionary_v31{"<function=", "</function>", "<|python_tag|>"};
    static const Words functionary_v32{">>>"};
    static const Words qwen_xml{"<tool_call>", "</tool_call>", "<function=", "</function>", "<parameter=", "</parameter>"};
    static const Words seed_xml{"<seed:tool_call>", "</seed:tool_call>", "<function=", "</function>", "<parameter=",
                                "</parameter>"};
    static const Words glm{"<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"};
    static const Words lfm2{"<|tool_call_start|>", "<|tool_call_end|>"};
    static const Words gemma{"<|tool_call>", "<tool_call|>", "<|\"|>"};
    static const Words harmony{"<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|end|>", "<|call|>",
                               "<|return|>"};
    static const Words mcp{"<use_mcp_tool>", "</use_mcp_tool>", "<server_name>", "</server_name>",
                           "<tool_name>",    "</tool_name>",    "<arguments>",   "</arguments>"};
    switch (style) {
        case CallStyle::none: return none;
        case CallStyle::hermes: return tool_call;
        case CallStyle::bare_json: return python_tag;
        case CallStyle::mistral_list:
        case CallStyle::mistral_args: return mistral;
        case CallStyle::granite: return granite;
        case CallStyle::command_r: return command_r;
        case CallStyle::apriel: return apriel;
        case CallStyle::apertus: return apertus;
        case CallStyle::gigachat: return gigachat;
        case CallStyle::deepseek_r1:
        case CallStyle::deepseek_v31: return deepseek;
        case CallStyle::deepseek_dsml: return dsml;
        case CallStyle::kimi: return kimi;
        case CallStyle::functionary_v31: return functionary_v31;
        case CallStyle::functionary_v32: return functionary_v32;
        case CallStyle::qwen_xml: return qwen_xml;
        case CallStyle::seed_xml: return seed_xml;
        case CallStyle::glm: return glm;
        case CallStyle::lfm2: return lfm2;
        case CallStyle::gemma: return gemma;
        case CallStyle::harmony: return harmony;
        case CallStyle::mcp: return mcp;
    }
    std::unreachable();
}

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

std::string_view name_of(CallStyle style) {
    static constexpr std::array<std::string_view, 23> names{
        "none",         "hermes",        "bare_json", "mistral_list",    "mistral_args",    "granite",
        "command_r",    "apriel",        "apertus",   "gigachat",        "deepseek_r1",     "deepseek_v31",
        "deepseek_dsml", "kimi",         "functionary_v31", "functionary_v32", "qwen_xml",  "seed_xml",
        "glm",          "lfm2",          "gemma",     "harmony",         "mcp"};
    return names[static_cast<std::size_t>(style)];
}

}  // namespace weft
