#include "cli/format.h"

#include <catch2/catch_test_macros.hpp>

using namespace weft::cli;
using namespace std::chrono_literals;

namespace {

std::string ago(std::chrono::nanoseconds span) {
    const WallTime now = std::chrono::sys_days(std::chrono::year(2026) / 11 / 20);
    return relative_time(now - span, now);
}

std::int64_t seconds_of(std::string_view text) {
    const auto time = parse_time(text);
    return time ? std::chrono::floor<std::chrono::seconds>(*time).time_since_epoch().count() : -1;
}

}  // namespace

TEST_CASE("sizes are decimal, with a digit after the point only below ten") {
    CHECK(human_bytes(0) == "0 B");
    CHECK(human_bytes(999) == "999 B");
    CHECK(human_bytes(1000) == "1.0 KB");
    CHECK(human_bytes(9'949) == "9.9 KB");
    CHECK(human_bytes(9'960) == "10 KB");
    CHECK(human_bytes(637'699'456) == "638 MB");
    CHECK(human_bytes(999'499) == "999 KB");
    CHECK(human_bytes(999'500) == "1.0 MB");
    CHECK(human_bytes(4'109'865'159) == "4.1 GB");
    CHECK(human_bytes(UINT64_MAX) == "18 EB");
}

TEST_CASE("durations have a unit that fits them") {
    CHECK(human_duration(12ns) == "12 ns");
    CHECK(human_duration(1500ns) == "1.5 µs");
    CHECK(human_duration(320ms) == "320.0 ms");
    CHECK(human_duration(1500ms) == "1.50 s");
    CHECK(human_duration(123s) == "2m3s");
}

TEST_CASE("times are told relative to now") {
    CHECK(ago(0s) == "just now");
    CHECK(ago(1s) == "1 second ago");
    CHECK(ago(59s) == "59 seconds ago");
    CHECK(ago(2min) == "2 minutes ago");
    CHECK(ago(1h) == "1 hour ago");
    CHECK(ago(47h) == "47 hours ago");
    CHECK(ago(48h) == "2 days ago");
    CHECK(ago(24h * 15) == "2 weeks ago");
    CHECK(ago(24h * 100) == "3 months ago");
    CHECK(ago(24h * 800) == "2 years ago");
    CHECK(ago(-4min) == "4 minutes from now");
    CHECK(relative_time(WallTime::max(), WallTime{}) == "centuries from now");
    CHECK(relative_time(WallTime::min(), WallTime{} + 24h * 365 * 56) == "centuries ago");
}

TEST_CASE("RFC 3339 is read with fractions and offsets") {
    CHECK(seconds_of("1970-01-01T00:00:00Z") == 0);
    CHECK(seconds_of("2026-11-20T13:11:16Z") == 1'795'180'276);
    CHECK(seconds_of("2026-11-20T14:11:16.123456789+01:00") == 1'795'180'276);
    CHECK(seconds_of("2026-11-20T08:41:16-04:30") == 1'795'180'276);
    CHECK((*parse_time("1970-01-01T00:00:00.25Z")).time_since_epoch() == 250ms);
    CHECK(*parse_time("9999-01-01T00:00:00Z") == WallTime::max());
    CHECK(*parse_time("0001-01-01T00:00:00Z") == WallTime::min());
}

TEST_CASE("text that is no time is none") {
    for (const char* text : {"", "yesterday", "2026-11-20", "2026-13-20T00:00:00Z", "2026-02-30T00:00:00Z",
                             "2026-11-20T24:00:00Z", "2026-11-20T00:00:00", "2026-11-20T00:00:00Zx", "2026-11-20T00:00:00+1:00",
                             "-026-11-20T00:00:00Z"})
        CHECK_FALSE(parse_time(text));
}

TEST_CASE("columns line up by what a terminal shows") {
    CHECK(format_table({"NAME", "SIZE"}, {{"a", "1"}, {"日本", "2"}}) ==
          "NAME    SIZE\n"
          "a       1\n"
          "日本    2\n");
    CHECK(format_table({"NAME", "SIZE"}, {}) == "NAME    SIZE\n");
}
