#include "http/router.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace weft::http::test {
namespace {

boost::asio::awaitable<void> nothing(Exchange&) { co_return; }

Router demo_router() {
    Router router;
    router.add("GET", "/", nothing);
    router.add("GET", "/api/tags", nothing, AccessLog::quiet);
    router.add("DELETE", "/api/delete", nothing);
    router.add("GET", "/v1/models", nothing);
    router.add("GET", "/v1/models/*model", nothing);
    router.add("DELETE", "/v1/models/*model", nothing);
    router.add("POST", "/api/blobs/:digest", nothing);
    router.add("GET", "/jobs/:id/events", nothing);
    router.add("GET", "/jobs/latest/events", nothing);
    router.add("GET", "/files/:id", nothing);
    router.add("GET", "/files/*rest", nothing);
    return router;
}

}  // namespace

TEST_CASE("a path leads to the route of its pattern") {
    const Router router = demo_router();
    struct Case {
        const char* method;
        const char* path;
        const char* pattern;  // "" when no handler is found
    };
    for (const auto& [method, path, pattern] : {
             Case{"GET", "/", "/"},
             Case{"HEAD", "/", "/"},
             Case{"GET", "/api/tags", "/api/tags"},
             Case{"GET", "/v1/models", "/v1/models"},
             Case{"GET", "/v1/models/a", "/v1/models/*model"},
             Case{"HEAD", "/v1/models/hf.co/org/repo:Q4", "/v1/models/*model"},
             Case{"GET", "/jobs/7/events", "/jobs/:id/events"},
             Case{"GET", "/jobs/latest/events", "/jobs/latest/events"},
             Case{"GET", "/files/7", "/files/:id"},
             Case{"GET", "/files/7/content", "/files/*rest"},
             Case{"POST", "/", ""},
             Case{"HEAD", "/api/delete", ""},
             Case{"GET", "/nowhere", ""},
             Case{"GET", "/jobs//events", ""},
             Case{"GET", "/jobs/7", ""},
             Case{"GET", "/v1", ""},
         }) {
        INFO(method << " " << path);
        const auto match = router.find(method, path);
        CHECK((match.handler != nullptr) == !std::string(pattern).empty());
        if (match.handler != nullptr) CHECK(match.pattern == pattern);
    }
}

TEST_CASE("a route's parameters are the parts of the path") {
    const Router router = demo_router();
    CHECK(router.find("POST", "/api/blobs/sha256:ab").parameters.at("digest") == "sha256:ab");
    CHECK(router.find("GET", "/v1/models/hf.co/org/repo:Q4").parameters.at("model") == "hf.co/org/repo:Q4");
    CHECK(router.find("GET", "/api/tags").parameters.empty());
}

TEST_CASE("a path without a route for the method names the methods it has") {
    const Router router = demo_router();
    CHECK(router.find("POST", "/api/tags").allowed == "GET, HEAD, OPTIONS");
    CHECK(router.find("GET", "/api/delete").allowed == "DELETE, OPTIONS");
    CHECK(router.find("PUT", "/v1/models/a/b").allowed == "GET, HEAD, DELETE, OPTIONS");
    CHECK(router.find("POST", "/").allowed == "GET, HEAD, OPTIONS");
    CHECK(router.find("GET", "/nowhere").allowed.empty());
}

TEST_CASE("a quiet route says so") {
    const Router router = demo_router();
    CHECK(router.find("GET", "/api/tags").access_log == AccessLog::quiet);
    CHECK(router.find("GET", "/").access_log == AccessLog::normal);
}

}  // namespace weft::http::test
