#include <catch2/catch_test_macros.hpp>
#include <string>

#include "http/ndjson_writer.h"
#include "http/server.h"
#include "test_server.h"

namespace weft::http::test {
namespace {

namespace asio = boost::asio;

asio::awaitable<void> say_hello(Exchange& exchange) {
    co_await exchange.reply({.content_type = "text/plain; charset=utf-8", .body = "hello"});
}

asio::awaitable<void> echo(Exchange& exchange) {
    co_await exchange.reply({.content_type = "text/plain", .body = exchange.request().body});
}

asio::awaitable<void> count_to_three(Exchange& exchange) {
    NdjsonWriter lines(exchange);
    co_await lines.start();
    for (const char* line : {"{\"n\":1}", "{\"n\":2}", "{\"n\":3}"})
        if (!co_await lines.write(line)) co_return;
    co_await lines.finish();
}

void add_routes(Router& router) {
    router.add("GET", "/", say_hello);
    router.add("POST", "/echo", echo);
    router.add("GET", "/count", count_to_three);
}

}  // namespace

TEST_CASE("a request is answered with a length and a request id, and the connection stays usable") {
    TestServer server(add_routes);
    RawClient client(server.port());
    for (int round = 0; round < 3; ++round) {
        const auto response = client.ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        CHECK(response.status == 200);
        CHECK(response.body == "hello");
        CHECK(response.headers.at("content-length") == "5");
        CHECK(response.headers.at("x-request-id").starts_with("req_"));
        CHECK(response.headers.at("x-request-id").size() == 28);
    }
}

TEST_CASE("a body comes back as it was sent") {
    TestServer server(add_routes);
    RawClient client(server.port());
    CHECK(client.ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde").body == "abcde");
    CHECK(client.ask("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").body == "abcde");
}

TEST_CASE("a stream arrives in chunks with an end") {
    TestServer server(add_routes);
    RawClient client(server.port());
    const auto response = client.ask("GET /count HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(response.complete);
    CHECK(response.headers.at("content-type") == "application/x-ndjson");
    CHECK(response.headers.at("cache-control") == "no-cache");
    CHECK(response.headers.at("x-accel-buffering") == "no");
    CHECK(response.body == "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
    CHECK(client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").body == "hello");
}

}  // namespace weft::http::test
