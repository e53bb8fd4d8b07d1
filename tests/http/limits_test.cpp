#include <zlib.h>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "test_server.h"

namespace weft::http::test {
namespace {

using std::chrono::milliseconds;

boost::asio::awaitable<void> count_body(Exchange& exchange) {
    co_await exchange.reply({.content_type = "text/plain", .body = std::to_string(exchange.request().body.size())});
}

void add_routes(Router& router) {
    router.add("GET", "/", count_body);
    router.add("POST", "/", count_body);
}

// Short enough that a test sees them pass, long enough for a slow machine.
ServerOptions impatient() {
    return {.header_time = milliseconds(300), .body_stall_time = milliseconds(300), .idle_time = milliseconds(300),
            .write_stall_time = milliseconds(300), .linger_time = milliseconds(100), .sweep_period = milliseconds(20)};
}

std::string get_with(const std::string& headers) { return "GET / HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n"; }

std::string post(const std::string& headers, const std::string& body) {
    return "POST / HTTP/1.1\r\nHost: a\r\n" + headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string gzip(const std::string& plain) {
    z_stream stream{};
    deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
    std::string packed(deflateBound(&stream, plain.size()) + 64, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
    stream.avail_in = static_cast<uInt>(plain.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    return packed;
}

}  // namespace

TEST_CASE("headers up to the limit are taken, longer ones are not") {
    TestServer server(add_routes, {.linger_time = milliseconds(100), .sweep_period = milliseconds(20)});
    CHECK(RawClient(server.port()).ask(get_with("X: " + std::string(32'000, 'x') + "\r\n")).status == 200);
    CHECK(RawClient(server.port()).ask(get_with("X: " + std::string(33'000, 'x') + "\r\n")).status == 431);
    CHECK(RawClient(server.port()).ask("GET / HTTP/1.1\r\nX: " + std::string(200'000, 'x')).status == 431);
}

TEST_CASE("a hundred headers are taken, one more is not") {
    TestServer server(add_routes);
    std::string headers;
    for (int i = 0; i < 99; ++i) headers += "X-" + std::to_string(i) + ": v\r\n";
    CHECK(RawClient(server.port()).ask(get_with(headers)).status == 200);
    CHECK(RawClient(server.port()).ask(get_with(headers + "One: more\r\n")).status == 431);
}

TEST_CASE("a target that is too long is refused, with its end or without") {
    TestServer server(add_routes, {.linger_time = milliseconds(100), .sweep_period = milliseconds(20)});
    const auto get = [&](std::size_t bytes, const char* rest) {
        return RawClient(server.port()).ask("GET /?" + std::string(bytes - 2, 'x') + rest).status;
    };
    CHECK(get(8 * 1024, " HTTP/1.1\r\nHost: a\r\n\r\n") == 200);
    CHECK(get(8 * 1024 + 1, " HTTP/1.1\r\nHost: a\r\n\r\n") == 414);
    CHECK(get(20'000, "") == 414);
    CHECK(get(50'000, "") == 414);
}

TEST_CASE("a body that announces too much is refused without being read") {
    TestServer server(add_routes, {.max_body_bytes = 1000, .linger_time = milliseconds(100), .sweep_period = milliseconds(20)});
    RawClient client(server.port());
    const auto response = client.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 68719476736\r\n\r\nabc");
    CHECK(response.status == 413);
    CHECK(response.headers.at("connection") == "close");
    CHECK(client.at_end());
}

TEST_CASE("a body at the limit is taken") {
    TestServer server(add_routes, {.max_body_bytes = 100'000});
    RawClient client(server.port());
    CHECK(client.ask(post("", std::string(100'000, 'x'))).body == "100000");
    CHECK(client.ask(post("", std::string(100'001, 'x'))).status == 413);
}

TEST_CASE("a chunked body is refused where it passes the limit") {
    TestServer server(add_routes, {.max_body_bytes = 1000, .linger_time = milliseconds(100), .sweep_period = milliseconds(20)});
    const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    const std::string chunk = "1f4\r\n" + std::string(500, 'x') + "\r\n";
    CHECK(RawClient(server.port()).ask(head + chunk + chunk + "0\r\n\r\n").body == "1000");
    CHECK(RawClient(server.port()).ask(head + chunk + chunk + "1\r\n").status == 413);
    CHECK(RawClient(server.port()).ask(head + "ffffffffffff\r\n").status == 413);
}

TEST_CASE("chunk extensions without end are refused") {
    TestServer server(add_routes, {.linger_time = milliseconds(100), .sweep_period = milliseconds(20)});
    const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    CHECK(RawClient(server.port()).ask(head + "1;" + std::string(100'000, 'x')).status == 400);
    std::string many = head;
    for (int i = 0; i < 100; ++i) many += "1;" + std::string(1000, 'x') + "\r\na\r\n";
    CHECK(RawClient(server.port()).ask(many).status == 400);
}

TEST_CASE("trailers without end are refused") {
    TestServer server(add_routes, {.linger_time = milliseconds(100), .sweep_period = milliseconds(20)});
    const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    CHECK(RawClient(server.port()).ask(head + "T: " + std::string(100'000, 'x')).status == 400);
}

TEST_CASE("bodies of all connections together have a bound") {
    TestServer server(add_routes, {.max_buffered_body_bytes = 1000, .linger_time = milliseconds(100), .sweep_period = milliseconds(20)});
    RawClient first(server.port());
    first.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n" + std::string(800, 'x'));
    CHECK(eventually([&] {
        const auto second = RawClient(server.port()).ask(post("", std::string(300, 'x')));
        return second.status == 503 && second.headers.contains("retry-after");
    }));
    first.send(std::string(100, 'x'));
    CHECK(first.receive().body == "900");
    CHECK(RawClient(server.port()).ask(post("", std::string(900, 'x'))).body == "900");
}

TEST_CASE("a client that never ends its head is told 408") {
    TestServer server(add_routes, impatient());
    RawClient client(server.port());
    const auto response = client.ask("GET / HTTP/1.1\r\nHost: a\r\n");
    CHECK(response.status == 408);
    CHECK(client.at_end());
}

TEST_CASE("a client that never ends its body is told 408") {
    TestServer server(add_routes, impatient());
    RawClient client(server.port());
    const auto response = client.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    CHECK(response.status == 408);
    CHECK(client.at_end());
}

TEST_CASE("a body that only drips has to end some time") {
    ServerOptions options = impatient();
    options.body_stall_time = std::chrono::seconds(60);
    options.body_time = milliseconds(300);
    TestServer server(add_routes, options);
    RawClient client(server.port());
    CHECK(client.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").status == 408);
}

TEST_CASE("a connection that says nothing is closed without a word, before and between requests") {
    TestServer server(add_routes, impatient());
    RawClient silent(server.port());
    CHECK(silent.at_end());
    RawClient once(server.port());
    CHECK(once.ask(get_with("")).status == 200);
    CHECK(once.at_end());
}

TEST_CASE("one connection more than allowed is told 503, and the others go on") {
    TestServer server(add_routes, {.max_connections = 2, .linger_time = milliseconds(100), .sweep_period = milliseconds(20)});
    RawClient first(server.port()), second(server.port());
    CHECK(first.ask(get_with("")).status == 200);
    CHECK(second.ask(get_with("")).status == 200);
    {
        RawClient third(server.port());
        const auto response = third.ask(get_with(""));
        CHECK(response.status == 503);
        CHECK(response.headers.at("retry-after") == "1");
        CHECK(response.headers.at("connection") == "close");
        CHECK(third.at_end());
    }
    CHECK(first.ask(get_with("")).status == 200);
    second.close();
    CHECK(eventually([&] { return RawClient(server.port()).ask(get_with("")).status == 200; }));
}

TEST_CASE("connections beyond those that are being told 503 are closed at once") {
    TestServer server(add_routes, {.max_connections = 1, .max_refusing_connections = 1});
    RawClient first(server.port());
    CHECK(first.ask(get_with("")).status == 200);
    RawClient second(server.port());
    CHECK(eventually([&] { return server.connections() == 2; }));
    RawClient third(server.port());
    CHECK(third.at_end());
}

TEST_CASE("a gzip body reaches the handler decoded") {
    TestServer server(add_routes);
    RawClient client(server.port());
    const std::string plain = "{\"model\":\"" + std::string(100'000, 'x') + "\"}";
    for (const std::string name : {"gzip", "GZIP", "x-gzip"})
        CHECK(client.ask(post("Content-Encoding: " + name + "\r\n", gzip(plain))).body == std::to_string(plain.size()));
    CHECK(client.ask(post("Content-Encoding: identity\r\n", "abc")).body == "3");
    CHECK(client.ask(post("Content-Encoding: gzip\r\n", gzip("one") + gzip("two"))).body == "6");
    CHECK(client.ask(post("Content-Encoding: gzip\r\n", gzip(""))).body == "0");
}

TEST_CASE("a small body that unpacks to more than the limit is refused, and the connection stays usable") {
    TestServer server(add_routes, {.max_body_bytes = 1 << 20});
    RawClient client(server.port());
    const std::string bomb = gzip(std::string(64 << 20, '\0'));
    REQUIRE(bomb.size() < 100'000);
    CHECK(client.ask(post("Content-Encoding: gzip\r\n", bomb)).status == 413);
    CHECK(client.ask(post("Content-Encoding: gzip\r\n", gzip(std::string(1 << 20, 'x')))).body == "1048576");
    CHECK(client.ask(post("Content-Encoding: gzip\r\n", gzip(std::string((1 << 20) + 1, 'x')))).status == 413);
}

TEST_CASE("a damaged or unfinished gzip body is refused") {
    TestServer server(add_routes);
    RawClient client(server.port());
    const std::string packed = gzip("some text that is long enough to be worth it");
    for (const std::string& bad : {std::string("not gzip"), packed.substr(0, packed.size() - 3), packed + "garbage",
                                   packed.substr(0, 12) + "XXXX" + packed.substr(16), std::string("\x1f\x8b")}) {
        const auto response = client.ask(post("Content-Encoding: gzip\r\n", bad));
        CHECK(response.status == 400);
    }
}

TEST_CASE("another content encoding is refused before the body is read") {
    TestServer server(add_routes);
    RawClient client(server.port());
    for (const std::string encoding : {"br", "deflate", "gzip, gzip", "zstd"})
        CHECK(client.ask(post("Content-Encoding: " + encoding + "\r\n", "abc")).status == 415);
    CHECK(client.ask(get_with("")).status == 200);
}

TEST_CASE("a client that asks whether to send its body is told, yes or no") {
    TestServer server(add_routes, {.max_body_bytes = 1000, .linger_time = milliseconds(100), .sweep_period = milliseconds(20)});
    const auto head = [](const std::string& path, int bytes) {
        return "POST " + path + " HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n";
    };
    RawClient client(server.port());
    CHECK(client.ask(head("/", 3)).status == 100);
    CHECK(client.ask("abc").body == "3");
    CHECK(client.ask(head("/", 3) + "abc").body == "3");
    CHECK(RawClient(server.port()).ask(head("/", 1001)).status == 413);
    CHECK(RawClient(server.port()).ask(head("/nowhere", 3)).status == 404);
    CHECK(client.ask("POST / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\nContent-Length: 3\r\n\r\nabc").status == 417);
}

TEST_CASE("a body that nobody wants does not cost the connection when it is short") {
    TestServer server(add_routes, {.linger_time = milliseconds(100), .sweep_period = milliseconds(20)});
    RawClient client(server.port());
    CHECK(client.ask("POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").status == 404);
    CHECK(client.ask(get_with("")).status == 200);
    const auto long_one = client.ask("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc");
    CHECK(long_one.status == 405);
    CHECK(long_one.headers.at("allow") == "GET, HEAD, POST, OPTIONS");
    CHECK(long_one.headers.at("connection") == "close");
}

}  // namespace weft::http::test
