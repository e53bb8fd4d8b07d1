#include "http/request_target.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace weft::http::test {

TEST_CASE("of a request that cannot be read the beginning of its path is known") {
    CHECK(readable_path("GET /v1/models/%zz HTTP/1.1\r\n") == "/v1/models/");
    CHECK(readable_path("POST /v1/messages?a=b HTTP/1.1\r\nHost: a") == "/v1/messages");
    CHECK(readable_path("GET /" + std::string(1000, 'a')).size() == 64);
    CHECK(readable_path("GET\r\nX: /v1/models").empty());
    CHECK(readable_path("GET http://a/v1 HTTP/1.1").empty());
    CHECK(readable_path("").empty());
}

TEST_CASE("a request target becomes one path, however it was written") {
    struct Case {
        std::string target, path, query;
    };
    for (const auto& [target, path, query] : {
             Case{"/", "/", ""},
             Case{"/v1/models", "/v1/models", ""},
             Case{"//v1/models", "/v1/models", ""},
             Case{"/v1//models///", "/v1/models", ""},
             Case{"/v1/models/", "/v1/models", ""},
             Case{"//", "/", ""},
             Case{"/a?b=%zz&c", "/a", "b=%zz&c"},
             Case{"/a/?", "/a", ""},
             Case{"/a?x?y", "/a", "x?y"},
             Case{"/v1/models/hf.co%2Forg%2Frepo:Q4", "/v1/models/hf.co/org/repo:Q4", ""},
             Case{"/caf%C3%A9", "/caf\xC3\xA9", ""},
             Case{"/a%20b+c", "/a b+c", ""},
             Case{"/a%3Fb", "/a?b", ""},
             Case{"/.well-known/x", "/.well-known/x", ""},
             Case{"/a...b", "/a...b", ""},
         }) {
        INFO(target);
        const auto parsed = parse_request_target("GET", target);
        REQUIRE(parsed.has_value());
        CHECK(parsed->path == path);
        CHECK(parsed->query == query);
        CHECK(parsed->authority.empty());
    }
}

TEST_CASE("a request target that could be read in two ways is refused") {
    for (const std::string target : {
             "", "a", "*", "/%", "/%4", "/%zz", "/%-1", "/a%00b", "/a%0Ab", "/a%7F", "/..", "/a/../b", "/./a",
             "/%2e%2e/a", "/a%2F..%2Fb", "/a/.", "/a#b", "/%C3%28", "/%ED%A0%80", "/%F5%80%80%80", "/%C0%AF",
             "localhost:80", "ftp://host/", "http:///path", "http://user@host/", "http://a b/", "http://host:x/",
         }) {
        INFO(target);
        CHECK_FALSE(parse_request_target("GET", target).has_value());
    }
}

TEST_CASE("an absolute target carries its authority") {
    const auto parsed = parse_request_target("GET", "HTTP://Example.com:8080/a/b?c");
    REQUIRE(parsed.has_value());
    CHECK(parsed->authority == "Example.com:8080");
    CHECK(parsed->path == "/a/b");
    CHECK(parsed->query == "c");
    CHECK(parse_request_target("GET", "http://h").value().path == "/");
    CHECK(parse_request_target("GET", "http://h?q").value().query == "q");
}

TEST_CASE("an asterisk is a target of OPTIONS only") {
    CHECK(parse_request_target("OPTIONS", "*").value().path == "*");
    CHECK_FALSE(parse_request_target("POST", "*").has_value());
}

TEST_CASE("an authority is a host with or without a port and nothing else") {
    for (const std::string good : {"", "localhost", "a.b-c_d:1", "127.0.0.1:11434", "[::1]", "[::1]:80", "host:"})
        CHECK(is_valid_authority(good));
    for (const std::string bad : {"a b", "a/b", "user@a", "a:b", "a:123456", "::1", "[::1", "[]", "[::1]x", "[zz]", "a,b",
                                  "a:1:2", "a\tb", "<a>"})
        CHECK_FALSE(is_valid_authority(bad));
}

TEST_CASE("a parameter of a query is decoded, the first of its name counts") {
    CHECK(query_parameter("limit=5&after=a%2Fb+c", "limit") == "5");
    CHECK(query_parameter("limit=5&after=a%2Fb+c", "after") == "a/b c");
    CHECK(query_parameter("a=1&a=2", "a") == "1");
    CHECK(query_parameter("beta", "beta") == "");
    CHECK(query_parameter("b%65ta=1", "beta") == "1");
    CHECK_FALSE(query_parameter("alphabet=1", "beta"));
    CHECK_FALSE(query_parameter("", "beta"));
    CHECK_FALSE(query_parameter("a=%zz", "a"));
}

}  // namespace weft::http::test
