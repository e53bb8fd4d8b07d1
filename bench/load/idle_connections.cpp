#include "idle_connections.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <deque>
#include <exception>
#include <fstream>
#include <string>

#include "dialect.h"

namespace weft::bench {
namespace {

namespace asio = boost::asio;

asio::awaitable<bool> get_once(Connection& connection, const std::string& request) {
    const auto sent = co_await connection.send(request);
    if (!sent) co_return false;
    const auto status = co_await connection.read_head();
    if (!status || *status != 200) co_return false;
    for (;;) {
        const auto piece = co_await connection.read_body();
        if (!piece) co_return false;
        if (piece->empty()) co_return true;
    }
}

std::string handshake(const Options& options) {
    std::string head = "GET " + options.url.prefix + options.path + " HTTP/1.1\r\nHost: " + options.url.host + ":" + options.url.port;
    if (!options.api_key.empty()) head += "\r\nAuthorization: Bearer " + options.api_key;
    return head + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
}

asio::awaitable<bool> shake_hands(Connection& connection, const std::string& request) {
    const auto sent = co_await connection.send(request);
    if (!sent) co_return false;
    const auto status = co_await connection.read_head();
    co_return status && *status == 101;
}

// RFC 6455, 5.5.2: an empty frame, masked with zeros; the pong is two bytes.
asio::awaitable<bool> ping(Connection& connection) {
    const auto sent = co_await connection.send(std::string_view("\x89\x80\0\0\0\0", 6));
    if (!sent) co_return false;
    const auto pong = co_await connection.read_body();
    co_return pong && pong->starts_with('\x8a');
}

asio::awaitable<void> hold(const Options& options, Endpoint server, IdleResult& result) {
    const auto executor = co_await asio::this_coro::executor;
    const std::string request = options.web_sockets ? handshake(options) : request_bytes(options, "");
    const auto use = [&options](Connection& connection, const std::string& bytes) {
        return options.web_sockets ? shake_hands(connection, bytes) : get_once(connection, bytes);
    };
    {
        // What a server allocates once, on its first request, is not the price of a connection.
        Connection first(executor, server);
        const auto opened = co_await first.open();
        if (opened) co_await use(first, request);
    }
    result.rss_before_kib = resident_kib(options.server_pid);
    std::deque<Connection> connections;
    for (std::uint32_t i = 0; i < options.idle_connections; ++i) {
        auto& connection = connections.emplace_back(executor, server);
        const auto opened = co_await connection.open();
        if (!opened) continue;
        if (co_await use(connection, request)) ++result.opened;
    }
    asio::steady_timer timer(executor, std::chrono::milliseconds(static_cast<std::int64_t>(options.hold_s * 1000)));
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    result.rss_open_kib = resident_kib(options.server_pid);
    for (auto& connection : connections) {
        if (options.web_sockets) {
            if (connection.is_open() && co_await ping(connection)) ++result.still_open;
            continue;
        }
        if (!connection.reusable()) continue;
        if (co_await get_once(connection, request)) ++result.still_open;
    }
}

}  // namespace

IdleResult hold_idle_connections(const Options& options, const Endpoint& server) {
    Options get = options;
    get.api = Api::get;
    IdleResult result{.asked = options.idle_connections};
    asio::io_context io(1);
    asio::co_spawn(io, hold(get, server, result), [](std::exception_ptr error) {
        if (error) std::rethrow_exception(error);
    });
    io.run();
    if (result.opened > 0)
        result.kib_per_connection =
            (static_cast<double>(result.rss_open_kib) - static_cast<double>(result.rss_before_kib)) / result.opened;
    return result;
}

std::uint64_t resident_kib(std::uint64_t pid) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string word; status >> word;)
        if (word == "VmRSS:") {
            std::uint64_t kib = 0;
            status >> kib;
            return kib;
        }
    return 0;
}

}  // namespace weft::bench
