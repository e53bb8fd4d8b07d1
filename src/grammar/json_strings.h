#pragma once

#include <string>
#include <string_view>

#include "grammar/code_point_set.h"

// How the characters of a JSON string are written, as GBNF.
namespace weft {

class GbnfBuilder;

// A rule for one character of a JSON string: itself or an escape. Lone surrogates cannot be written.
[[nodiscard]] std::string add_json_char(GbnfBuilder& builder);

// One character of `set`, as it stands in a JSON string: GBNF that binds like a single item. Characters that must be
// escaped are; of a set of nearly all, only the usual ones of them (\n \r \t \" \\) remain.
[[nodiscard]] std::string json_characters(const CodePointSet& set);

// A JSON string with the formats that can be enforced ("date", "uuid", ...), without quotes: GBNF for its inside, and its
// length. Empty for a format that stays a mere annotation.
struct StringFormat {
    std::string_view name;
    std::string_view gbnf;
    unsigned least;  // characters
    unsigned most;
};
[[nodiscard]] const StringFormat* find_format(std::string_view name);

}  // namespace weft
