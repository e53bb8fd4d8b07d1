#pragma once

#include <string>
#include <vector>

#include "runner/generation.h"
#include "store/job_store.h"

namespace weft {

// What a finished job stores beside its text, as JSON text in the form that messages of chat completions have, so that a
// later request can say it again.

// [{"id","type":"function","function":{"name","arguments"}}]; empty for none.
[[nodiscard]] std::string tool_calls_json(const std::vector<ToolCall>& calls);

// The turn that a completed job adds to its conversation.
[[nodiscard]] SessionTurn answer_turn(const JobEnd& end);

}  // namespace weft
