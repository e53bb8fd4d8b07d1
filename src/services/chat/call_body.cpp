#include "services/chat/call_body.h"

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

}  // namespace weft
