#pragma once

#include "http/server_exchange.h"

namespace weft::http {

// One line per answered request: method, route pattern, status, body bytes, milliseconds, request id. Never the query,
// bodies, header values or anything else a client could put a secret into.
void log_access(const Turn& turn);

}  // namespace weft::http
