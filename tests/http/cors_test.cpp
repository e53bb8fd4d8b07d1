#include <catch2/catch_test_macros.hpp>
#include <string>

#include "http/middleware.h"
#include "test_server.h"

namespace weft::http::test {
namespace {

boost::asio::awaitable<void> ok(Exchange& exchange) {
    co_await exchange.reply({.body = "{}", .headers = {{"Vary", "Accept"}}});
}

void add_routes(Router& router) { router.add("GET", "/", ok); }

std::string get(const std::string& headers) { return "GET / HTTP/1.1\r\nHost: localhost:11434\r\n" + headers + "\r\n"; }

std::string preflight(const std::string& path, const std::string& headers) {
    return "OPTIONS " + path + " HTTP/1.1\r\nHost: localhost:11434\r\nAccess-Control-Request-Method: POST\r\n" + headers +
           "\r\n";
}

}  // namespace

TEST_CASE("local pages and desktop shells may call, other pages may not") {
    const OriginPolicy policy{.extra_origins = {"https://*.example.com", "https://one.org", "myapp://*"}};
    struct Case {
        std::string origin, host;
        bool allowed;
    };
    for (const auto& [origin, host, allowed] : {
             Case{"", "a", true},
             Case{"http://localhost", "a", true},
             Case{"https://localhost:3000", "a", true},
             Case{"http://127.0.0.1:8080", "a", true},
             Case{"http://0.0.0.0:1", "a", true},
             Case{"HTTP://LOCALHOST:1", "a", true},
             Case{"app://obsidian.md", "a", true},
             Case{"file://", "a", true},
             Case{"tauri://localhost", "a", true},
             Case{"vscode-webview://1a2b", "a", true},
             Case{"vscode-file://vscode-app", "a", true},
             Case{"chrome-extension://abcdef", "a", true},
             Case{"http://myserver:11434", "myserver:11434", true},
             Case{"https://myserver", "myserver", true},
             Case{"http://myserver:1", "myserver:11434", false},
             Case{"https://a.example.com", "a", true},
             Case{"https://a.b.example.com", "a", true},
             Case{"https://example.com", "a", false},
             Case{"http://a.example.com", "a", false},
             Case{"https://a.example.com.evil.org", "a", false},
             Case{"https://one.org", "a", true},
             Case{"https://one.org:8443", "a", false},
             Case{"myapp://x", "a", true},
             Case{"http://evil.com", "a", false},
             Case{"http://localhost.evil.com", "a", false},
             Case{"http://localhost:3000.evil.com", "a", false},
             Case{"http://localhost:", "a", false},
             Case{"http://127.0.0.1.evil.com:80", "a", false},
             Case{"http://evil.com#http://localhost:1", "a", false},
             Case{"null", "a", false},
         }) {
        INFO(origin << " at " << host);
        CHECK(is_origin_allowed(policy, origin, host) == allowed);
    }
}

TEST_CASE("an asterisk lets every page in") {
    CHECK(is_origin_allowed({.extra_origins = {"*"}}, "https://anything.example", "a"));
    CHECK(is_origin_allowed({.extra_origins = {"*"}}, "null", "a"));
}

TEST_CASE("an allowed page reads the answer") {
    TestServer server(add_routes, {}, {apply_cors({})});
    RawClient client(server.port());
    const auto response = client.ask(get("Origin: http://localhost:3000\r\n"));
    CHECK(response.status == 200);
    CHECK(response.headers.at("access-control-allow-origin") == "http://localhost:3000");
    CHECK(response.headers.at("access-control-expose-headers").contains(" location,"));
    CHECK(response.headers.at("access-control-expose-headers").contains("x-request-id"));
    CHECK(response.headers.at("access-control-expose-headers").contains("x-ratelimit-remaining-tokens"));
    CHECK(response.headers.at("vary") == "Origin, Accept");
}

TEST_CASE("a request without an origin gets no CORS headers") {
    TestServer server(add_routes, {}, {apply_cors({})});
    RawClient client(server.port());
    const auto response = client.ask(get(""));
    CHECK(response.status == 200);
    CHECK_FALSE(response.headers.contains("access-control-allow-origin"));
}

TEST_CASE("errors of an allowed page carry the CORS headers too") {
    TestServer server(add_routes, {}, {apply_cors({})});
    RawClient client(server.port());
    const auto response = client.ask("GET /nowhere HTTP/1.1\r\nHost: a\r\nOrigin: http://localhost\r\n\r\n");
    CHECK(response.status == 404);
    CHECK(response.headers.at("access-control-allow-origin") == "http://localhost");
}

TEST_CASE("another page is refused and cannot read why") {
    TestServer server(add_routes, {}, {apply_cors({})});
    RawClient client(server.port());
    const auto response = client.ask(get("Origin: https://evil.com\r\n"));
    CHECK(response.status == 403);
    CHECK_FALSE(response.headers.contains("access-control-allow-origin"));
    CHECK(response.headers.at("vary") == "Origin");
    CHECK(client.ask(preflight("/", "Origin: https://evil.com\r\n")).status == 403);
}

TEST_CASE("a preflight is answered on every path, known or not") {
    TestServer server(add_routes, {}, {apply_cors({})});
    RawClient client(server.port());
    for (const std::string path : {"/", "/v1/chat/completions", "/nowhere/at/all", "*"}) {
        INFO(path);
        const auto response = client.ask(preflight(path, "Origin: http://localhost\r\nAccess-Control-Request-Headers: X-Custom, authorization\r\n"));
        CHECK(response.status == 204);
        CHECK(response.body.empty());
        CHECK_FALSE(response.headers.contains("content-length"));
        CHECK(response.headers.at("access-control-allow-origin") == "http://localhost");
        CHECK(response.headers.at("access-control-allow-methods") == "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS");
        CHECK(response.headers.at("access-control-max-age") == "600");
        const std::string& allowed = response.headers.at("access-control-allow-headers");
        for (const std::string name : {"Authorization", "Content-Type", "User-Agent", "Accept", "X-Requested-With",
                                       "OpenAI-Beta", "x-api-key", "anthropic-version", "anthropic-beta",
                                       "anthropic-dangerous-direct-browser-access", "x-stainless-retry-count",
                                       "x-stainless-timeout", "x-weft-cache", "x-weft-priority", "x-weft-deadline-ms", "X-Custom"})
            CHECK(allowed.contains(name));
        CHECK_FALSE(allowed.contains("authorization"));
    }
}

TEST_CASE("what a page asks for in a preflight cannot break out of its header") {
    TestServer server(add_routes, {}, {apply_cors({})});
    RawClient client(server.port());
    const auto response =
        client.ask(preflight("/", "Origin: http://localhost\r\nAccess-Control-Request-Headers: good, b@d, <x>, also bad\r\n"));
    CHECK(response.headers.at("access-control-allow-headers").ends_with("x-weft-priority, good"));
}

TEST_CASE("OPTIONS without an origin names the methods of the path") {
    TestServer server(add_routes, {}, {apply_cors({})});
    RawClient client(server.port());
    const auto response = client.ask("OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(response.status == 204);
    CHECK(response.headers.at("allow") == "GET, HEAD, OPTIONS");
    CHECK(client.ask("OPTIONS /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").status == 204);
}

TEST_CASE("the Host check refuses a rebound name, whichever way it is written") {
    TestServer server(add_routes, {}, {check_host({})});
    RawClient client(server.port());
    CHECK(client.ask("GET / HTTP/1.1\r\nHost: evil.com\r\n\r\n").status == 403);
    CHECK(client.ask("GET http://evil.com/ HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 403);
    CHECK(client.ask("GET http://localhost/ HTTP/1.1\r\nHost: evil.com\r\n\r\n").status == 200);
    CHECK(client.ask("GET / HTTP/1.1\r\nHost:\r\n\r\n").status == 200);
    CHECK(client.ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200);
}

}  // namespace weft::http::test
