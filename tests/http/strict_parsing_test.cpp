#include <catch2/catch_test_macros.hpp>
#include <random>
#include <string>

#include "test_server.h"

namespace weft::http::test {
namespace {

boost::asio::awaitable<void> echo(Exchange& exchange) {
    co_await exchange.reply({.content_type = "text/plain", .body = exchange.request().body});
}

boost::asio::awaitable<void> show_headers(Exchange& exchange) {
    std::string body;
    for (const auto& [name, value] : exchange.request().headers) body += name + "=" + value + ";";
    co_await exchange.reply({.content_type = "text/plain", .body = body});
}

void add_routes(Router& router) {
    router.add("GET", "/", echo);
    router.add("POST", "/", echo);
    router.add("GET", "/headers", show_headers);
    router.add("POST", "/headers", show_headers);
}

ServerOptions quick() { return {.linger_time = std::chrono::milliseconds(100), .sweep_period = std::chrono::milliseconds(20)}; }

}  // namespace

TEST_CASE("a request that two parsers could read in two ways is refused, and nothing behind it is answered") {
    TestServer server(add_routes, quick());
    using std::string_literals::operator""s;
    struct Case {
        std::string what, bytes;
        int status;
    };
    const std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";
    for (const auto& [what, bytes, status] : {
             Case{"both lengths", post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
             Case{"both lengths, other order", post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400},
             Case{"two equal lengths", post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde", 400},
             Case{"two lengths", post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde", 400},
             Case{"a list of lengths", post + "Content-Length: 5, 5\r\n\r\nabcde", 400},
             Case{"a signed length", post + "Content-Length: +5\r\n\r\nabcde", 400},
             Case{"a negative length", post + "Content-Length: -5\r\n\r\nabcde", 400},
             Case{"a hexadecimal length", post + "Content-Length: 0x5\r\n\r\nabcde", 400},
             Case{"an empty length", post + "Content-Length:\r\n\r\n", 400},
             Case{"a length beyond 64 bits", post + "Content-Length: 18446744073709551621\r\n\r\nabcde", 400},
             Case{"an unknown coding", post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400},
             Case{"a coding before chunked", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
             Case{"chunked not last", post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400},
             Case{"chunked twice", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
             Case{"chunked and identity", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400},
             Case{"a quoted coding", post + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400},
             Case{"a vertical tab", post + "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n", 400},
             Case{"a space before the colon", post + "Content-Length : 5\r\n\r\nabcde", 400},
             Case{"a space in a name", post + "Content Length: 5\r\n\r\nabcde", 400},
             Case{"a nameless header", post + ": x\r\n\r\n", 400},
             Case{"a header without a colon", post + "Content-Length\r\n\r\n", 400},
             Case{"a folded header", post + "X-A: b\r\n c\r\n\r\n", 400},
             Case{"a folded header with a tab", post + "Transfer-Encoding:\r\n\tchunked\r\n\r\n0\r\n\r\n", 400},
             Case{"a folded first header", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
             Case{"bare line feeds", "GET / HTTP/1.1\nHost: a\n\n", 400},
             Case{"one bare line feed", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400},
             Case{"a bare carriage return", "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", 400},
             Case{"a NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n"s, 400},
             Case{"a NUL in a name", "GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n"s, 400},
             Case{"a NUL in the target", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"s, 400},
             Case{"no host", "GET / HTTP/1.1\r\n\r\n", 400},
             Case{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
             Case{"a host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
             Case{"a host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
             Case{"two hosts in one", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400},
             Case{"two hosts on 1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
             Case{"chunked on 1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
             Case{"a target without a slash", "GET index HTTP/1.1\r\nHost: a\r\n\r\n", 400},
             Case{"dot segments", "GET /a/../ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
             Case{"bad percent encoding", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
             Case{"an encoded NUL", "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
             Case{"a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
             Case{"a tab for a space", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
             Case{"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
             Case{"no version", "GET /\r\n\r\n", 400},
             Case{"a version of the future", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
             Case{"a lower case version", "GET / http/1.1\r\nHost: a\r\n\r\n", 400},
             Case{"an empty first line", "\r\n\r\n\r\n", 400},
             Case{"a method that is no token", "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
             Case{"a method without end", std::string(40, 'A') + " / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
             Case{"a TLS greeting", "\x16\x03\x01\x02\n\r\n\r\n", 400},
             Case{"a chunk size with a sign", post + "Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n", 400},
             Case{"a chunk size with 0x", post + "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", 400},
             Case{"a chunk size with a space", post + "Transfer-Encoding: chunked\r\n\r\n 3\r\nabc\r\n0\r\n\r\n", 400},
             Case{"an empty chunk size", post + "Transfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n", 400},
             Case{"a chunk that is longer than it says", post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 400},
             Case{"a chunk size beyond 64 bits", post + "Transfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n", 400},
             Case{"a bare line feed after a chunk size", post + "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", 400},
         }) {
        INFO(what);
        RawClient client(server.port());
        client.send(bytes + "GET /headers HTTP/1.1\r\nHost: a\r\nX-Smuggled: yes\r\n\r\n");
        const auto response = client.receive();
        CHECK(response.status == status);
        CHECK(response.headers.at("connection") == "close");
        CHECK(response.headers.contains("x-request-id"));
        CHECK(client.receive_all().empty());
    }
}

TEST_CASE("unusual but clear requests are served") {
    TestServer server(add_routes, quick());
    struct Case {
        std::string what, bytes, body;
    };
    const std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";
    for (const auto& [what, bytes, body] : {
             Case{"an empty line before a request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", ""},
             Case{"a lower case header", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nok", "ok"},
             Case{"no space after the colon", "POST / HTTP/1.1\r\nHost:a\r\nContent-Length:2\r\n\r\nok", "ok"},
             Case{"space around a value", "POST / HTTP/1.1\r\nHost: \t a \t\r\nContent-Length:  2 \r\n\r\nok", "ok"},
             Case{"leading zeros", post + "Content-Length: 002\r\n\r\nok", "ok"},
             Case{"Chunked", post + "Transfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "ok"},
             Case{"a chunk extension", post + "Transfer-Encoding: chunked\r\n\r\n2;a=b;c=\"d\"\r\nok\r\n0\r\n\r\n", "ok"},
             Case{"leading zeros of a chunk", post + "Transfer-Encoding: chunked\r\n\r\n0002\r\nok\r\n000\r\n\r\n", "ok"},
             Case{"trailers", post + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: 1\r\n\r\n", "ok"},
             Case{"an upgrade to h2c, which is declined", post + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 2\r\n\r\nok", "ok"},
             Case{"bytes beyond ASCII in a value", post + "X-Name: J\xC3\xB6rg\r\nContent-Length: 2\r\n\r\nok", "ok"},
             Case{"no body", post + "\r\n", ""},
         }) {
        INFO(what);
        RawClient client(server.port());
        auto response = client.ask(bytes);
        CHECK(response.status == 200);
        CHECK(response.body == body);
        if (what.starts_with("an empty line")) response = client.receive();
        CHECK(client.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nnext").body == "next");
    }
}

TEST_CASE("trailers never become headers") {
    TestServer server(add_routes, quick());
    RawClient client(server.port());
    const auto response = client.ask(
        "POST /headers HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: x\r\nHost: b\r\n\r\n");
    CHECK(response.body == "host=a;transfer-encoding=chunked;");
}

TEST_CASE("header names reach the handler in lower case, values as they were") {
    TestServer server(add_routes, quick());
    RawClient client(server.port());
    CHECK(client.ask("GET /headers HTTP/1.1\r\nHost: A\r\nX-CASE: MiXed \r\n\r\n").body == "host=A;x-case=MiXed;");
}

TEST_CASE("a request may arrive byte by byte") {
    TestServer server(add_routes);
    RawClient client(server.port());
    for (const char byte : std::string("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n"))
        REQUIRE(client.send(std::string_view(&byte, 1)));
    CHECK(client.receive().body == "abcde");
}

TEST_CASE("any bytes get an answer or a closed connection, never a crash or a hang") {
    TestServer server(add_routes, {.header_time = std::chrono::milliseconds(200),
                                   .body_stall_time = std::chrono::milliseconds(200),
                                   .idle_time = std::chrono::milliseconds(200),
                                   .linger_time = std::chrono::milliseconds(20),
                                   .sweep_period = std::chrono::milliseconds(10)});
    const std::string seed_bytes =
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\nExpect: "
        "100-continue\r\nConnection: close\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\nGET /%2e?x HTTP/1.0\r\n\r\n";
    std::mt19937 random(20240607);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    for (int round = 0; round < 400; ++round) {
        INFO("round " << round);
        std::string bytes;
        if (round % 4 == 0) {
            bytes.resize(below(400));
            for (char& byte : bytes) byte = static_cast<char>(random());
        } else {
            bytes = seed_bytes;
            for (std::size_t edits = 1 + below(6); edits > 0; --edits) {
                const auto at = below(bytes.size());
                switch (below(4)) {
                    case 0: bytes[at] = static_cast<char>(random()); break;
                    case 1: bytes.erase(at, 1 + below(20)); break;
                    case 2: bytes.insert(at, seed_bytes.substr(below(seed_bytes.size()), below(30))); break;
                    default: bytes.insert(at, 1, "\r\n\t :,;\0%"[below(9)]); break;
                }
            }
        }
        RawClient client(server.port());
        const auto middle = below(bytes.size() + 1);
        client.send(std::string_view(bytes).substr(0, middle));
        client.send(std::string_view(bytes).substr(middle));
        client.shut_down_sending();
        client.receive_all();
    }
    RawClient client(server.port());
    CHECK(client.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok").body == "ok");
    CHECK(eventually([&] { return server.connections() == 1; }));
}

}  // namespace weft::http::test
