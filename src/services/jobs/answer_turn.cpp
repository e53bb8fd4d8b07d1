#include "services/jobs/answer_turn.h"

#include "services/chat/json_scanner.h"

namespace weft {

std::string tool_calls_json(const std::vector<ToolCall>& calls) {
    std::string out;
    for (const auto& call : calls) {
        out += out.empty() ? "[" : ",";
        out += R"({"id":)" + json_string(call.id) + R"(,"type":"function","function":{"name":)" + json_string(call.name);
        out += R"(,"arguments":)" + json_string(call.arguments_json) + "}}";
    }
    return out.empty() ? out : out + "]";
}

SessionTurn answer_turn(const JobEnd& end) {
    SessionTurn turn{.role = "assistant", .content = end.output.text};
    if (end.thinking.empty() && end.tool_calls.empty()) return turn;
    turn.message = R"({"role":"assistant","content":)" + json_string(turn.content);
    if (!end.thinking.empty()) turn.message += R"(,"thinking":)" + json_string(end.thinking);
    if (!end.tool_calls.empty()) turn.message += R"(,"tool_calls":)" + end.tool_calls;
    turn.message += "}";
    return turn;
}

}  // namespace weft
