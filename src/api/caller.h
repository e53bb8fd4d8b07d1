#pragma once

#include "base/error.h"
#include "http/exchange.h"
#include "runner/generation.h"

namespace weft::api {

// Who calls and how urgent it is, from the headers that all dialects share:
//   Authorization: Bearer X, or x-api-key: X   whose request it is: a tenant is whoever sends the same string
//   x-weft-cache: shared | private              whether its cached prefixes are shared with other tenants that say so
//   x-weft-priority: -1000..1000                smaller first; wins over a field of the body
//   x-weft-deadline-ms: 1..86400000             refuse it when its first token cannot come that soon
// Only a hash of X goes on; request.id goes with it, for the queue's view. invalid_request names the header that is wrong.
// Every handler that generates calls it.
[[nodiscard]] Result<void> set_caller(const http::Request& request, GenerateRequest& generate);

}  // namespace weft::api
