#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "http/exchange.h"

namespace weft::api::anthropic {

// {"type":"error","error":{"type","message"},"request_id"}: the whole body, also of an error in the middle of a stream.
[[nodiscard]] std::string error_body(const Error& error, std::string_view request_id);

// The same with its status and headers (retry-after, x-should-retry).
[[nodiscard]] http::Response error_response(const Error& error, std::string_view request_id);

// What the transport refuses before any handler is asked: 403, 404, 405, 408, 413, 415, 431, 503, ... The app uses it
// for paths of this dialect.
[[nodiscard]] http::Response transport_error(int status, const http::Request& request);

}  // namespace weft::api::anthropic
