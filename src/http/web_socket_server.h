#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>

#include "http/exchange.h"
#include "http/server_core.h"
#include "http/web_socket.h"
#include "http/wire.h"

namespace weft::http {

[[nodiscard]] bool is_web_socket_handshake(const Request& request, bool http_1_1);

// Answers the handshake; null when that fails, and then the connection cannot be used any more.
[[nodiscard]] boost::asio::awaitable<std::shared_ptr<WebSocket>> open_web_socket(ServerCore& core, Wire& wire,
                                                                                const Request& request);

}  // namespace weft::http
