#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runner/generation.h"

namespace weft {

// A piece of a tool call. The first delta of a call brings its name and id; arguments arrive in pieces which, joined,
// are one JSON object.
struct ToolCallDelta {
    std::uint32_t index = 0;  // of the call in this choice, from 0
    std::string id{};         // random letters and digits, without the prefix that a dialect may want; first delta only
    std::string name{};       // first delta only
    std::string arguments{};  // to be appended
};

// A part of one choice's reply, told apart. Usually only one of them is filled; several when a piece spans a border:
// thinking comes first, then content, then calls. Content never follows a call.
struct ReplyDelta {
    std::string thinking;
    std::string content;
    std::vector<ToolCallDelta> tool_calls;
    std::vector<TokenLogprob> logprobs;  // of the tokens that made up the content, as far as they can be told apart

    [[nodiscard]] bool empty() const {
        return thinking.empty() && content.empty() && tool_calls.empty() && logprobs.empty();
    }
};

}  // namespace weft
