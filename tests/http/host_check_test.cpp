#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "http/middleware.h"

namespace weft::http::test {

TEST_CASE("a server on loopback answers to local names only") {
    const HostPolicy policy{.bound_to_loopback = true, .extra_hosts = {"weft.example.com"}};
    struct Case {
        std::string host;
        bool allowed;
    };
    std::array<char, 256> machine{};
    REQUIRE(gethostname(machine.data(), machine.size() - 1) == 0);
    for (const auto& [host, allowed] : {
             Case{"", true},
             Case{":11434", true},
             Case{"localhost", true},
             Case{"LocalHost:11434", true},
             Case{"localhost.", true},
             Case{machine.data(), true},
             Case{std::string(machine.data()) + ":80", true},
             Case{"app.localhost", true},
             Case{"printer.local:1", true},
             Case{"host.docker.internal:11434", true},
             Case{"127.0.0.1", true},
             Case{"127.8.8.8:80", true},
             Case{"0.0.0.0:11434", true},
             Case{"10.1.2.3", true},
             Case{"172.16.0.1", true},
             Case{"172.31.255.255", true},
             Case{"192.168.1.1:11434", true},
             Case{"[::1]", true},
             Case{"[::1]:11434", true},
             Case{"[::]", true},
             Case{"[fd00::1]:80", true},
             Case{"[::ffff:127.0.0.1]", true},
             Case{"weft.example.com", true},
             Case{"WEFT.example.com:443", true},
             Case{"example.com", false},
             Case{"evil.example.com:11434", false},
             Case{"localhost.evil.com", false},
             Case{"notlocalhost", false},
             Case{"local", false},
             Case{"127.0.0.1.evil.com", false},
             Case{"172.32.0.1", false},
             Case{"8.8.8.8", false},
             Case{"[2001:4860:4860::8888]", false},
             Case{"[::ffff:8.8.8.8]", false},
             Case{"2130706433", false},
         }) {
        INFO(host);
        CHECK(is_host_allowed(policy, host) == allowed);
    }
}

TEST_CASE("a server that others can reach answers to every name") {
    CHECK(is_host_allowed({.bound_to_loopback = false}, "example.com"));
}

}  // namespace weft::http::test
