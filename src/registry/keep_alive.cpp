#include "registry/keep_alive.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace weft {
namespace {

constexpr KeepAlive for_ever{-1};
constexpr double longest_s = 100.0 * 365 * 86400;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::unexpected<Error> wrong(std::string_view what, std::string_view text) {
    return fail(ErrorCode::invalid_request, "time: " + std::string(what) + " \"" + std::string(text) + "\"");
}

std::optional<double> seconds_of(std::string_view unit) {
    if (unit == "ns") return 1e-9;
    if (unit == "us" || unit == "\u00b5s" || unit == "\u03bcs") return 1e-6;  // micro sign, and the Greek letter
    if (unit == "ms") return 1e-3;
    if (unit == "s") return 1;
    if (unit == "m") return 60;
    if (unit == "h") return 3600;
    return std::nullopt;
}

// Takes digits with at most one point among them; at least one digit.
std::optional<double> take_number(std::string_view& text) {
    const auto end = std::ranges::find_if(text, [](char c) { return !is_digit(c) && c != '.'; });
    const std::string_view number(text.begin(), end);
    double value = 0;
    const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), value,
                                               std::chars_format::fixed);
    const bool digits = std::ranges::any_of(number, is_digit);
    if (!digits || std::ranges::count(number, '.') > 1) return std::nullopt;
    // ".5" and "1." are fine; from_chars may read neither, so an empty side is read as 0.
    if (error == std::errc::result_out_of_range) value = longest_s;
    else if (stop != number.data() + number.size() || error != std::errc{}) {
        const std::string padded = "0" + std::string(number) + "0";
        std::from_chars(padded.data(), padded.data() + padded.size(), value, std::chars_format::fixed);
    }
    text.remove_prefix(number.size());
    return value;
}

std::string_view take_unit(std::string_view& text) {
    const auto end = std::ranges::find_if(text, [](char c) { return is_digit(c) || c == '.'; });
    const std::string_view unit(text.begin(), end);
    text.remove_prefix(unit.size());
    return unit;
}

}  // namespace

KeepAlive keep_alive_of_seconds(double seconds) {
    if (std::isnan(seconds)) return KeepAlive{0};
    if (seconds < 0) return for_ever;
    return std::chrono::duration_cast<KeepAlive>(std::chrono::duration<double>(std::min(seconds, longest_s)));
}

Result<KeepAlive> parse_keep_alive(std::string_view text) {
    std::string_view rest = text;
    const bool negative = rest.starts_with('-');
    if (negative || rest.starts_with('+')) rest.remove_prefix(1);
    if (rest == "0") return KeepAlive{0};
    if (rest.empty()) return wrong("invalid duration", text);
    double seconds = 0;
    while (!rest.empty()) {
        const auto number = take_number(rest);
        if (!number) return wrong("invalid duration", text);
        const auto unit = take_unit(rest);
        if (unit.empty()) return wrong("missing unit in duration", text);
        const auto scale = seconds_of(unit);
        if (!scale) return fail(ErrorCode::invalid_request, "time: unknown unit \"" + std::string(unit) + "\" in duration \"" +
                                                                std::string(text) + "\"");
        seconds += *number * *scale;
    }
    if (seconds == 0) return KeepAlive{0};
    return negative ? for_ever : keep_alive_of_seconds(seconds);
}

Result<KeepAlive> parse_keep_alive_or_seconds(std::string_view text) {
    double seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds, std::chars_format::fixed);
    if (!text.empty() && error == std::errc{} && end == text.data() + text.size() && !std::isnan(seconds))
        return keep_alive_of_seconds(seconds);
    return parse_keep_alive(text);
}

}  // namespace weft
