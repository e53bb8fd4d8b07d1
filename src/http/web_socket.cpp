#include "http/web_socket.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket.hpp>
#include <utility>

#include "http/web_socket_server.h"

namespace weft::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;

namespace {

constexpr auto socket_awaitable = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds handshake_time{10};
// What a socket keeps between messages and while it writes: there may be thousands of them.
constexpr std::size_t write_buffer_bytes = 4096;

bool has_token(std::string_view list, std::string_view token) {
    while (!list.empty()) {
        const auto comma = std::min(list.find(','), list.size());
        auto word = list.substr(0, comma);
        list.remove_prefix(std::min(comma + 1, list.size()));
        while (word.starts_with(' ') || word.starts_with('\t')) word.remove_prefix(1);
        while (word.ends_with(' ') || word.ends_with('\t')) word.remove_suffix(1);
        if (std::ranges::equal(word, token, [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; })) return true;
    }
    return false;
}

class BeastWebSocket final : public WebSocket {
  public:
    BeastWebSocket(ServerCore& core, Wire& wire) : core_(core), wire_(wire), stream_(wire.socket()) {
        websocket::stream_base::timeout times{};
        times.handshake_timeout = handshake_time;
        times.idle_timeout = 2 * web_socket_ping_interval;
        times.keep_alive_pings = true;
        stream_.set_option(times);
        stream_.read_message_max(max_web_socket_message_bytes);
        stream_.write_buffer_bytes(write_buffer_bytes);
        stream_.text(true);
    }
    ~BeastWebSocket() override { core_.web_sockets.erase(&wire_); }

    asio::awaitable<bool> accept(const Request& request) {
        beast::http::request<beast::http::empty_body> handshake;
        handshake.method_string(request.method);
        handshake.target("/");
        handshake.version(11);
        for (const auto& [name, value] : request.headers) handshake.insert(name, value);
        const auto [error] = co_await stream_.async_accept(handshake, socket_awaitable);
        co_return !error;
    }

    asio::awaitable<std::optional<std::string>> read() override {
        beast::flat_buffer message;
        const auto [error, bytes] = co_await stream_.async_read(message, socket_awaitable);
        if (error) co_return std::nullopt;
        if (!stream_.got_text()) {
            co_await close(CloseCode::not_text, "text messages only");
            co_return std::nullopt;
        }
        co_return std::string(static_cast<const char*>(message.data().data()), bytes);
    }

    asio::awaitable<bool> write(std::string_view text) override {
        const auto [error, bytes] = co_await stream_.async_write(asio::buffer(text.data(), text.size()), socket_awaitable);
        co_return !error;
    }

    asio::awaitable<void> close(CloseCode code, std::string_view reason) override {
        if (!stream_.is_open()) co_return;
        const websocket::close_reason why(static_cast<websocket::close_code>(code), beast::string_view(reason.data(), reason.size()));
        co_await stream_.async_close(why, socket_awaitable);
    }

    void on_drain(std::function<void(bool)> callback) override {
        core_.web_sockets[&wire_] = std::move(callback);
        if (core_.draining) core_.web_sockets[&wire_](false);
    }

  private:
    ServerCore& core_;
    Wire& wire_;
    websocket::stream<Socket&, false> stream_;  // no compression: it costs memory per connection
};

}  // namespace

bool is_web_socket_handshake(const Request& request, bool http_1_1) {
    return http_1_1 && request.method == "GET" && has_token(request.header("upgrade"), "websocket") &&
           has_token(request.header("connection"), "upgrade") && !request.header("sec-websocket-key").empty() &&
           request.header("sec-websocket-version") == "13";
}

asio::awaitable<std::shared_ptr<WebSocket>> open_web_socket(ServerCore& core, Wire& wire, const Request& request) {
    auto socket = std::make_shared<BeastWebSocket>(core, wire);
    const bool accepted = co_await socket->accept(request);
    if (!accepted) co_return nullptr;
    co_return socket;
}

}  // namespace weft::http
