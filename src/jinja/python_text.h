#pragma once

#include <string>
#include <string_view>

#include "jinja/failure.h"
#include "jinja/meter.h"
#include "jinja/value.h"

namespace weft::jinja {

// How Python writes values.

[[nodiscard]] std::string real_repr(double value);                // 1.0, 0.1, 1e+16, inf
[[nodiscard]] std::string string_repr(std::string_view text);     // 'it' or "it's"
[[nodiscard]] std::string_view type_name(const Value& value);     // 'str', 'dict', 'NoneType', 'Undefined'

// str(value), which is what {{ }} writes. Text is borrowed by append_str, so printing a string copies it once.
[[nodiscard]] Outcome<void> append_str(Meter& meter, std::string& out, const Value& value);
[[nodiscard]] Outcome<std::string> to_str(Meter& meter, const Value& value);
[[nodiscard]] Outcome<std::string> to_repr(Meter& meter, const Value& value);

// Lists and dicts are no keys.
[[nodiscard]] Outcome<void> require_hashable(const Value& value);

}  // namespace weft::jinja
