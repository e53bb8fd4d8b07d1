#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <optional>
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

TEST_CASE("a server listens on names, on both kinds of addresses and on Unix sockets") {
    TestServer server(add_routes);
    const auto by_name = server.on_io([&] { return server.server->listen("localhost", 0); });
    REQUIRE(by_name.has_value());
    CHECK(by_name->loopback);
    CHECK(RawClient(by_name->port).ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").body == "hello");
    const auto everywhere = server.on_io([&] { return server.server->listen("0.0.0.0", 0); });
    REQUIRE(everywhere.has_value());
    CHECK_FALSE(everywhere->loopback);
    CHECK(everywhere->port != by_name->port);
    const auto v6 = server.on_io([&] { return server.server->listen("[::1]", 0); });
    if (v6) CHECK(v6->loopback);

    const std::string path = "/tmp/weft-http-test-" + std::to_string(getpid()) + ".sock";
    const auto unix = server.on_io([&] { return server.server->listen_unix(path); });
    REQUIRE(unix.has_value());
    CHECK(RawClient(path).ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").body == "hello");
    struct stat info{};
    REQUIRE(stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
    CHECK_FALSE(server.on_io([&] { return server.server->listen_unix(path); }).has_value());
    server.on_io([&] { server.server->stop(); });
    CHECK(stat(path.c_str(), &info) != 0);
}

TEST_CASE("an address that cannot be bound is an error that names it") {
    TestServer server(add_routes);
    const auto taken = server.on_io([&] { return server.server->listen("127.0.0.1", server.port()); });
    REQUIRE_FALSE(taken.has_value());
    CHECK(taken.error().code == ErrorCode::invalid_request);
    CHECK(taken.error().message.contains("127.0.0.1:" + std::to_string(server.port())));
    CHECK_FALSE(server.on_io([&] { return server.server->listen("192.0.2.1", 0); }).has_value());
    CHECK_FALSE(server.on_io([&] { return server.server->listen("not a host", 0); }).has_value());
}

TEST_CASE("errors of the transport are put into words by the application's formatter") {
    const auto format = [](const Request& request, int status, std::string_view code_word, std::string) {
        return Response{.body = request.path + " " + std::to_string(status) + " " + std::string(code_word)};
    };
    TestServer server(add_routes, {}, {}, format);
    RawClient client(server.port());
    CHECK(client.ask("GET /v1/nowhere HTTP/1.1\r\nHost: a\r\n\r\n").body == "/v1/nowhere 404 not_found");
    const auto wrong_method = client.ask("PUT / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(wrong_method.status == 405);
    CHECK(wrong_method.headers.at("allow") == "GET, HEAD, OPTIONS");
    CHECK(wrong_method.body == "/ 405 method_not_allowed");
    CHECK(client.ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\n").body == "/echo 400 bad_request");
}

TEST_CASE("a step of the middleware can answer before the body is read, and can add headers") {
    const Middleware keep_out = [](const Request& head, Headers& headers) -> std::optional<Answer> {
        headers.emplace_back("x-step", "1");
        if (head.header("x-pass") == "yes") return std::nullopt;
        return Refusal{.status = 401, .code_word = "unauthorized", .message = "no", .headers = {{"WWW-Authenticate", "Bearer"}}};
    };
    TestServer server(add_routes, {}, {keep_out});
    RawClient client(server.port());
    const auto refused = client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(refused.status == 401);
    CHECK(refused.headers.at("www-authenticate") == "Bearer");
    CHECK(refused.headers.at("x-step") == "1");
    CHECK(client.ask("GET / HTTP/1.1\r\nHost: a\r\nX-Pass: yes\r\n\r\n").body == "hello");
}

}  // namespace weft::http::test
