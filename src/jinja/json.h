#pragma once

#include <string>

#include "jinja/failure.h"
#include "jinja/value.h"

namespace weft::jinja {

// The options of Python's json.dumps that templates set.
struct JsonStyle {
    std::string indent{};         // one level; only used when multiline
    bool multiline = false;
    bool ensure_ascii = false;
    bool sort_keys = false;
    bool unknown_as_null = false;  // otherwise what JSON does not know is a failure
    std::string item_separator = ", ";
    std::string key_separator = ": ";
};

[[nodiscard]] Outcome<void> append_json(std::string& out, const Value& value, const JsonStyle& style);

}  // namespace weft::jinja
