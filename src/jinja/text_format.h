#pragma once

#include <string>
#include <string_view>

#include "jinja/failure.h"
#include "jinja/meter.h"
#include "jinja/object.h"
#include "jinja/value.h"

namespace weft::jinja {

// & < > ' " as entities, the way markupsafe writes them.
[[nodiscard]] std::string escape_html(std::string_view text);
// str(value), escaped unless it is marked safe.
[[nodiscard]] Outcome<std::string> escaped(Meter& meter, const Value& value);

// Python's text % values, where values is a tuple, a dict or one value. Conversions s r d i u f e g x X o c %, with
// flags, width and precision.
[[nodiscard]] Outcome<Value> printf_format(Meter& meter, const Value& text, const Value& values);
// Python's text.format(...): {} {0} {name} {0[key]} with !r !s and the common format specifications.
[[nodiscard]] Outcome<Value> brace_format(Meter& meter, const Value& text, const Arguments& arguments);

}  // namespace weft::jinja
