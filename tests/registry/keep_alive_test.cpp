#include "registry/keep_alive.h"

#include <catch2/catch_test_macros.hpp>
#include <cmath>

namespace weft {
using namespace std::chrono_literals;

TEST_CASE("a keep-alive is a sum of numbers with units") {
    CHECK(parse_keep_alive("300ms") == KeepAlive(300ms));
    CHECK(parse_keep_alive("1.5h") == KeepAlive(90min));
    CHECK(parse_keep_alive("2h45m") == KeepAlive(165min));
    CHECK(parse_keep_alive("1h1m1s1ms1us1ns") == KeepAlive(1h + 1min + 1s + 1ms + 1us + 1ns));
    CHECK(parse_keep_alive("10\u00b5s") == KeepAlive(10us));
    CHECK(parse_keep_alive("10\u03bcs") == KeepAlive(10us));
    CHECK(parse_keep_alive("+5s") == KeepAlive(5s));
    CHECK(parse_keep_alive(".5s") == KeepAlive(500ms));
    CHECK(parse_keep_alive("1.s") == KeepAlive(1s));
}

TEST_CASE("zero unloads and anything negative keeps for ever") {
    CHECK(parse_keep_alive("0") == KeepAlive{0});
    CHECK(parse_keep_alive("0s") == KeepAlive{0});
    CHECK(parse_keep_alive("-0s") == KeepAlive{0});
    CHECK(parse_keep_alive("-1m").value() < KeepAlive{0});
    CHECK(parse_keep_alive("-0.5ns").value() < KeepAlive{0});
    CHECK(keep_alive_of_seconds(-1) < KeepAlive{0});
    CHECK(keep_alive_of_seconds(0) == KeepAlive{0});
    CHECK(keep_alive_of_seconds(2.5) == KeepAlive(2500ms));
    CHECK(keep_alive_of_seconds(std::nan("")) == KeepAlive{0});
}

TEST_CASE("very long times are cut, not wrapped around") {
    CHECK(parse_keep_alive("9999999999h").value() > KeepAlive(24h * 365 * 90));
    CHECK(parse_keep_alive(std::string(400, '9') + "h").value() > KeepAlive(24h * 365 * 90));
    CHECK(keep_alive_of_seconds(1e300) > KeepAlive(24h * 365 * 90));
}

TEST_CASE("what is no duration is refused in words that say why") {
    CHECK(parse_keep_alive("5").error().message == "time: missing unit in duration \"5\"");
    CHECK(parse_keep_alive("-1").error().message == "time: missing unit in duration \"-1\"");
    CHECK(parse_keep_alive("").error().message == "time: invalid duration \"\"");
    CHECK(parse_keep_alive("5d").error().message == "time: unknown unit \"d\" in duration \"5d\"");
    for (const char* text : {"abc", "-", "s", "1.2.3s", ".s", "1s2", "1 s", "nan", "inf", "1e3s", "--1s", "0x1s"})
        CHECK_FALSE(parse_keep_alive(text).has_value());
}

TEST_CASE("the environment may give plain numbers of seconds") {
    CHECK(parse_keep_alive_or_seconds("3600") == KeepAlive(1h));
    CHECK(parse_keep_alive_or_seconds("-1").value() < KeepAlive{0});
    CHECK(parse_keep_alive_or_seconds("0") == KeepAlive{0});
    CHECK(parse_keep_alive_or_seconds("10m") == KeepAlive(10min));
    CHECK_FALSE(parse_keep_alive_or_seconds("soon").has_value());
    CHECK_FALSE(parse_keep_alive_or_seconds("").has_value());
}

}  // namespace weft
