#include "cli/server_address.h"

#include <catch2/catch_test_macros.hpp>
#include <map>

using namespace weft;
using namespace weft::cli;

namespace {

std::string url_of(std::string_view text) {
    const auto endpoint = parse_server_address(text, BadPort::refuse);
    return endpoint ? endpoint->url() : "error: " + endpoint.error().message;
}

std::string find(const std::optional<std::string>& flag, const std::map<std::string, std::string>& variables) {
    const auto endpoint = find_server(flag, [&](const char* name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        return found == variables.end() ? std::nullopt : std::optional(found->second);
    });
    return endpoint ? endpoint->url() : "error: " + endpoint.error().message;
}

}  // namespace

TEST_CASE("every way to spell a server address is understood") {
    CHECK(url_of("") == "http://127.0.0.1:11434");
    CHECK(url_of("example.org") == "http://example.org:11434");
    CHECK(url_of("example.org:8080") == "http://example.org:8080");
    CHECK(url_of(":1234") == "http://127.0.0.1:1234");
    CHECK(url_of("10.0.0.7") == "http://10.0.0.7:11434");
    CHECK(url_of("[::1]:99") == "http://[::1]:99");
    CHECK(url_of("[fe80::1]") == "http://[fe80::1]:11434");
    CHECK(url_of("fe80::1") == "http://[fe80::1]:11434");
    CHECK(url_of(" \"example.org\" ") == "http://example.org:11434");
}

TEST_CASE("an address with a scheme has the port of its scheme and may have a path") {
    CHECK(url_of("http://example.org") == "http://example.org:80");
    CHECK(url_of("http://example.org:5/") == "http://example.org:5");
    CHECK(url_of("http://example.org/models/weft/") == "http://example.org:80/models/weft");
    CHECK(url_of("example.org/weft") == "http://example.org:11434/weft");
}

TEST_CASE("an address to listen on becomes one to connect to") {
    CHECK(url_of("0.0.0.0") == "http://127.0.0.1:11434");
    CHECK(url_of("0.0.0.0:80") == "http://127.0.0.1:80");
    CHECK(url_of("[::]:80") == "http://[::1]:80");
}

TEST_CASE("https and other schemes are refused with a reason") {
    CHECK(url_of("https://example.org").contains("https is not supported"));
    CHECK(url_of("ftp://example.org").contains("http://"));
}

TEST_CASE("an address cannot smuggle anything into a request") {
    for (const char* address : {"a b", "host\r\nX: y", "user@host", "host/pa th", "host/p?q", "host#f", "h\\i"})
        CHECK(url_of(address).starts_with("error: not a server address"));
    CHECK(url_of("[::1").starts_with("error"));
    CHECK(url_of("[::1]80").starts_with("error"));
}

TEST_CASE("a bad port is refused where it was typed and replaced by the default in OLLAMA_HOST") {
    for (const char* address : {"h:x", "h:-1", "h:65536", "h:", "h:1x"}) {
        CHECK(url_of(address).contains("port"));
        CHECK(parse_server_address(address, BadPort::use_default)->url() == "http://h:11434");
    }
    CHECK(parse_server_address("http://h:x", BadPort::use_default)->url() == "http://h:80");
}

TEST_CASE("the flag comes before WEFT_HOST, that before OLLAMA_HOST, that before the default") {
    CHECK(find("flag", {{"WEFT_HOST", "weft"}, {"OLLAMA_HOST", "ollama"}}) == "http://flag:11434");
    CHECK(find({}, {{"WEFT_HOST", "weft"}, {"OLLAMA_HOST", "ollama"}}) == "http://weft:11434");
    CHECK(find({}, {{"WEFT_HOST", " "}, {"OLLAMA_HOST", "ollama:x"}}) == "http://ollama:11434");
    CHECK(find({}, {}) == "http://127.0.0.1:11434");
    CHECK(find({}, {{"WEFT_HOST", "weft:x"}}).contains("port"));
}
