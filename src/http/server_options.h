#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "http/exchange.h"
#include "http/middleware.h"

namespace weft::http {

// Every bound of the HTTP edge. Beyond one, the client gets the status named here and, where the rest of its bytes
// cannot be trusted or is not wanted, a closed connection.
struct ServerOptions {
    std::size_t max_header_bytes = 32 * 1024;          // request line and headers (431)
    std::size_t max_headers = 100;                     // lines (431)
    std::size_t max_target_bytes = 8 * 1024;           // of the request line (414)
    std::size_t max_body_bytes = 64UL << 20;           // as sent and again after decoding (413)
    std::size_t max_buffered_body_bytes = 1UL << 30;   // bodies of all connections together (503)
    std::size_t max_connections = 4096;                // one more is answered 503 and closed
    std::size_t max_refusing_connections = 64;         // being told 503 at one time; one more is closed at once
    std::size_t max_pipelined_bytes = 64 * 1024;       // taken in while an earlier request is being answered
    std::chrono::milliseconds header_time{10'000};     // from the first byte to the end of the head (408)
    std::chrono::milliseconds body_stall_time{30'000};  // without a byte of the body (408)
    std::chrono::milliseconds body_time{600'000};      // for the whole body (408)
    std::chrono::milliseconds idle_time{75'000};       // between requests, then closed
    std::chrono::milliseconds write_stall_time{60'000};  // the client takes nothing: counts as gone
    std::chrono::milliseconds linger_time{2'000};      // for the client to read the answer before the socket is closed
    std::chrono::milliseconds sweep_period{250};       // how exactly the times above are kept
};

// How an error that the transport found reaches the client, so that each path answers in its dialect's shape. The
// request may be incomplete: only id and peer are always set, path is empty when the request line was unreadable.
// code_word is one of: bad_request, unauthorized, host_not_allowed, origin_not_allowed, not_found,
// method_not_allowed, request_timeout, payload_too_large, uri_too_long, unsupported_media_type, expectation_failed,
// header_too_large, internal_error, not_implemented, overloaded, version_not_supported.
// The server sets the status, and adds Allow, Retry-After, CORS and x-request-id itself. Thread: io.
using ErrorFormatter = std::function<Response(const Request&, int status, std::string_view code_word,
                                              std::string message)>;

// {"error":"..."} for programs that have no dialect.
[[nodiscard]] Response plain_error(const Request&, int status, std::string_view code_word, std::string message);

}  // namespace weft::http
