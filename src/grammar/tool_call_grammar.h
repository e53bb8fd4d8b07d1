#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "grammar/constraint_plan.h"
#include "runner/generation.h"
#include "runner/reply_format.h"

namespace weft {

// What a request's tools demand of the answer: that calls are well formed, of functions that were offered, with arguments
// that are valid for their schemas, and as many as allowed. With a free choice the answer is free until a call begins;
// families that mark no beginning stay free altogether. A forced choice holds from the start (after the thinking block).
// Nothing is enforced where no tools are offered.
//
// A tool's `strict` decides what becomes of keywords of its schema that a grammar cannot express: an error that names
// the tool, or less exact arguments. invalid_request for that, for a choice of a tool that is not there, and for an
// output format beside tools that cannot be joined with calls; unsupported for a model whose format is not known.
[[nodiscard]] Result<ConstraintPlan> tool_call_plan(const ReplyFormat& format, const GenerateRequest& request,
                                                    const ChatPrompt& prompt);

}  // namespace weft
