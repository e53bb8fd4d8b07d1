#include "services/chat/call_body.h"

#include <utility>

namespace weft {

std::unique_ptr<CallBody> make_call_body(CallStyle style, std::string_view opener, const OfferedTools& tools) {
    switch (style) {
        case CallStyle::qwen_xml:
        case CallStyle::seed_xml:
        case CallStyle::glm:
        case CallStyle::deepseek_dsml:
        case CallStyle::mcp: return make_tagged_body(style, tools);
        case CallStyle::lfm2:
        case CallStyle::gemma: return make_literal_body(style);
        case CallStyle::functionary_v32: return make_recipient_body(tools);
        default: return make_json_body(style, opener);
    }
}

const std::vector<std::string>& opening_words(CallStyle style) {
    using Words = std::vector<std::string>;
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

}  // namespace weft
