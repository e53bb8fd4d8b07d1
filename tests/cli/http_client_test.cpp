#include "http/client.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <future>

#include "scripted_server.h"

using namespace weft;
using namespace std::chrono_literals;
using test::answer;
using test::ScriptedServer;
using Peer = ScriptedServer::Peer;

namespace {

struct Lines {
    std::vector<std::string> all;
    http::Client::LineSink sink = [this](std::string_view line) {
        all.emplace_back(line);
        return true;
    };
};

ErrorCode code_of(const Result<http::ClientResponse>& result) {
    REQUIRE_FALSE(result);
    return result.error().code;
}

Result<http::ClientResponse> get(const ScriptedServer& server, http::ClientLimits limits = {}) {
    return http::Client(server.endpoint(), limits).send({.path = "/x"});
}

Result<http::ClientResponse> stream(const ScriptedServer& server, Lines& lines, http::ClientLimits limits = {}) {
    return http::Client(server.endpoint(), limits).stream({.path = "/x"}, lines.sink);
}

constexpr std::string_view chunked_head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

}  // namespace

TEST_CASE("a request carries its method, path, host, body and length") {
    ScriptedServer server(answer(200, "{}"));
    auto endpoint = server.endpoint();
    endpoint.base_path = "/base";
    REQUIRE(http::Client(endpoint).send({.method = "POST", .path = "/api/chat", .body = R"({"a":1})"}));
    const std::string request = server.request();
    CHECK(request.starts_with("POST /base/api/chat HTTP/1.1\r\n"));
    CHECK(request.contains("\r\nHost: 127.0.0.1:" + std::to_string(endpoint.port) + "\r\n"));
    CHECK(request.contains("\r\nContent-Length: 7\r\n"));
    CHECK(request.ends_with("\r\n\r\n{\"a\":1}"));
}

TEST_CASE("an answer's status and body come back, whatever the status") {
    ScriptedServer server(answer(404, R"({"error":"no"})"));
    const auto response = get(server);
    REQUIRE(response);
    CHECK(response->status == 404);
    CHECK(response->body == R"({"error":"no"})");
}

TEST_CASE("a body without a length ends with the connection") {
    ScriptedServer server("HTTP/1.1 200 OK\r\n\r\nall of it");
    CHECK(get(server)->body == "all of it");
}

TEST_CASE("lines come out whole, however the bytes are cut") {
    const std::string chunks = "4\r\none\n\r\n3\r\ntwo\r\n7\r\n\r\n\nthre\r\n1\r\ne\r\n0\r\n\r\n";
    for (const std::size_t step : {1U, 2U, 3U, 7U, 1000U}) {
        ScriptedServer server([&, step](const Peer& peer) {
            peer.send(chunked_head);
            for (std::size_t at = 0; at < chunks.size(); at += step) peer.send(std::string_view(chunks).substr(at, step));
        });
        Lines lines;
        REQUIRE(stream(server, lines));
        CHECK(lines.all == std::vector<std::string>{"one", "two", "three"});
    }
}

TEST_CASE("a line is handed out before the next one is there") {
    std::promise<void> got_first;
    ScriptedServer server([&](const Peer& peer) {
        peer.send(chunked_head);
        peer.send("6\r\nfirst\n\r\n");
        got_first.get_future().wait();
        peer.send("7\r\nsecond\n\r\n0\r\n\r\n");
    });
    int n_lines = 0;
    const auto response = http::Client(server.endpoint()).stream({.path = "/x"}, [&](std::string_view) {
        if (++n_lines == 1) got_first.set_value();
        return true;
    });
    CHECK(response);
    CHECK(n_lines == 2);
}

TEST_CASE("an error status of a stream is collected, not handed out as lines") {
    ScriptedServer server(answer(500, "{\"error\":\"a\"}\n"));
    Lines lines;
    const auto response = stream(server, lines);
    CHECK(response->status == 500);
    CHECK(response->body == "{\"error\":\"a\"}\n");
    CHECK(lines.all.empty());
}

TEST_CASE("a sink that has enough ends the connection") {
    std::promise<bool> left;
    ScriptedServer server([&](const Peer& peer) {
        peer.send(chunked_head);
        peer.send("4\r\none\n\r\n");
        left.set_value(peer.client_leaves());
    });
    CHECK(http::Client(server.endpoint()).stream({.path = "/x"}, [](std::string_view) { return false; }));
    CHECK(left.get_future().get());
}

TEST_CASE("cancelling closes the connection, so that the server can stop") {
    const int cancel_fd = eventfd(0, EFD_CLOEXEC);
    std::promise<bool> left;
    ScriptedServer server([&](const Peer& peer) {
        peer.send(chunked_head);
        peer.send("4\r\none\n\r\n");
        left.set_value(peer.client_leaves());
    });
    const auto response = http::Client(server.endpoint())
                              .stream({.path = "/x", .cancel_fd = cancel_fd}, [&](std::string_view) {
                                  eventfd_write(cancel_fd, 1);
                                  return true;
                              });
    CHECK(code_of(response) == ErrorCode::cancelled);
    CHECK(left.get_future().get());
    close(cancel_fd);
}

TEST_CASE("nobody listening is an error that names the address") {
    ScriptedServer taken(answer(200, ""));
    CHECK(get(taken));
    http::Endpoint nobody{.host = "127.0.0.1", .port = 1};
    const auto response = http::Client(nobody).send({.path = "/"});
    CHECK(code_of(response) == ErrorCode::not_found);
    CHECK(response.error().message == "no server at http://127.0.0.1:1");
}

TEST_CASE("a silent server is left when the read timeout has passed") {
    ScriptedServer server([](const Peer& peer) { CHECK(peer.client_leaves()); });
    CHECK(code_of(get(server, {.read_timeout = 50ms})) == ErrorCode::timeout);
}

TEST_CASE("waiting calls back") {
    std::promise<void> waited;
    ScriptedServer server([&](const Peer& peer) {
        waited.get_future().wait();
        peer.send(answer(200, "{}"));
    });
    int n_calls = 0;
    CHECK(http::Client(server.endpoint()).send({.path = "/", .on_wait = [&] {
        if (++n_calls == 1) waited.set_value();
    }}));
    CHECK(n_calls >= 1);
}

TEST_CASE("a line, a body or a head beyond its limit ends the transfer") {
    const std::string long_text(5000, 'x');
    Lines lines;
    ScriptedServer line_server(answer(200, long_text));
    CHECK(code_of(stream(line_server, lines, {.max_line_bytes = 4999})) == ErrorCode::too_large);
    ScriptedServer body_server(answer(200, long_text));
    CHECK(code_of(get(body_server, {.max_body_bytes = 4999})) == ErrorCode::too_large);
    ScriptedServer head_server("HTTP/1.1 200 OK\r\nX: " + long_text + "\r\n\r\n");
    CHECK(code_of(get(head_server, {.max_header_bytes = 4999})) == ErrorCode::internal);
    ScriptedServer lying_server("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\nx");
    CHECK(code_of(get(lying_server)) == ErrorCode::internal);
}

TEST_CASE("an answer that breaks off or is not HTTP is an error") {
    for (const char* text :
         {"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "SSH-2.0-OpenSSH\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
        INFO(text);
        ScriptedServer server{std::string(text)};
        Lines lines;
        CHECK(code_of(stream(server, lines)) == ErrorCode::internal);
    }
}
