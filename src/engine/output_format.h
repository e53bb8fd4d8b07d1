#pragma once

#include "base/error.h"
#include "grammar/constraint_plan.h"
#include "runner/generation.h"

namespace weft {

// What a request's format demands of its answer, thinking blocks apart; nothing for plain text. invalid_request, with
// request.format_field, for a schema or expression that is malformed or asks for what cannot be enforced. Thread: any.
[[nodiscard]] Result<ConstraintPlan> output_format_plan(const GenerateRequest& request);

}  // namespace weft
