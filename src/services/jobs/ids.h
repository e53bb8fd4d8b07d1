#pragma once

#include <string>

namespace weft {

// A random UUID (RFC 9562, version 4), from the system's own source: who does not know it cannot guess it.
[[nodiscard]] std::string random_uuid();

}  // namespace weft
