#include "http/exchange.h"

#include "http/web_socket.h"

namespace weft::http {

std::string_view Request::header(std::string_view name) const {
    for (const auto& [key, value] : headers)
        if (key == name) return value;
    return {};
}

boost::asio::awaitable<std::shared_ptr<WebSocket>> Exchange::accept_web_socket() { co_return nullptr; }

}  // namespace weft::http
