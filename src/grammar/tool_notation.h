#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "grammar/gbnf_builder.h"
#include "runner/reply_format.h"

namespace weft {

struct ToolParameter {
    std::string name;
    std::string schema;           // as JSON text
    bool required = false;
    bool is_string = false;       // bare text where families write values without quotes
    std::vector<std::string> choices{};  // of a string
    std::string pattern{};               // the same; empty: any
    std::string format{};
    std::optional<std::uint64_t> least{}, most{};  // characters of it
};

struct GrammarTool {
    std::string name;
    std::string field;            // where its schema stands in the request, for errors
    std::string schema = R"({"type":"object"})";
    bool strict = false;
    std::vector<ToolParameter> parameters{};
};

struct CallLimits {
    bool parallel = true;  // false: one call
    bool forced = false;   // the calls are the whole answer instead of what follows a trigger
};

// The texts with which a call begins, and from which on a free answer is held to the grammar of calls. Empty where a
// call cannot be told from other text by its beginning.
[[nodiscard]] std::vector<std::string> call_triggers(CallStyle style);

// A rule for one or more calls in a family's notation, from the first marker to the last.
[[nodiscard]] Result<std::string> add_calls(GbnfBuilder& builder, CallStyle style, const std::vector<GrammarTool>& tools,
                                            CallLimits limits);

}  // namespace weft
