#pragma once

#include <string_view>

#include "registry/registry.h"

namespace weft {

// "300ms", "1.5h", "2h45m", "-1m": numbers with a unit each (ns us µs ms s m h), an optional sign in front. "0" needs no
// unit. Anything negative means for ever and comes back as -1 ns. More than about 100 years is cut to that.
// invalid_request in the words of Go's time package, which clients know: `time: missing unit in duration "5"`.
[[nodiscard]] Result<KeepAlive> parse_keep_alive(std::string_view text);

// The same, but a whole number without unit is a number of seconds: as in OLLAMA_KEEP_ALIVE and our configuration.
[[nodiscard]] Result<KeepAlive> parse_keep_alive_or_seconds(std::string_view text);

// From a number in a request; fractions count, negative is for ever, NaN is zero.
[[nodiscard]] KeepAlive keep_alive_of_seconds(double seconds);

}  // namespace weft
