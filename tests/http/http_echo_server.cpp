// A server with trivial handlers, to measure what the transport itself costs: http_echo_server [PORT]
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "base/log.h"
#include "http/server.h"
#include "http/sse_writer.h"

namespace {

namespace asio = boost::asio;
using namespace weft::http;

asio::awaitable<void> health(Exchange& exchange) { co_await exchange.reply({.body = "{\"status\":\"ok\"}"}); }

asio::awaitable<void> echo(Exchange& exchange) { co_await exchange.reply({.body = exchange.request().body}); }

asio::awaitable<void> stream(Exchange& exchange) {
    SseWriter events(exchange);
    co_await events.start();
    for (int i = 0; i < 1000; ++i)
        if (!co_await events.write("{\"token\":\"abc\"}")) co_return;
    events.add_done();
    co_await events.finish();
}

}  // namespace

int main(int argc, char** argv) {
    asio::io_context io{1};
    auto router = std::make_shared<Router>();
    router->add("GET", "/health", health, AccessLog::quiet);
    router->add("POST", "/echo", echo);
    router->add("GET", "/stream", stream);
    Server server(io, {}, router, plain_error, {check_host({}), apply_cors({})});
    const auto endpoint = server.listen("127.0.0.1", static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0));
    if (!endpoint) return std::fprintf(stderr, "%s\n", endpoint.error().message.c_str()), 1;
    std::printf("http://127.0.0.1:%u\n", endpoint->port);
    std::fflush(stdout);
    asio::signal_set signals(io, SIGINT, SIGTERM);
    signals.async_wait([&](const boost::system::error_code&, int) {
        server.drain(std::chrono::seconds(5), [&] { io.stop(); });
    });
    io.run();
}
