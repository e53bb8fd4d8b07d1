#include "cli/format.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/formatted.h"
#include "cli/text_width.h"

namespace weft::cli {
namespace {

using std::chrono::nanoseconds;
using namespace std::chrono_literals;

std::string count_of(std::int64_t n, std::string_view unit) {
    return formatted("{} {}{}", n, unit, n == 1 ? "" : "s");
}

std::string rough_span(nanoseconds span) {
    const auto whole = [span](nanoseconds unit) { return span / unit; };
    if (span < 1min) return count_of(whole(1s), "second");
    if (span < 1h) return count_of(whole(1min), "minute");
    if (span < 48h) return count_of(whole(1h), "hour");
    if (span < 24h * 14) return count_of(whole(24h), "day");
    if (span < 24h * 60) return count_of(whole(24h * 7), "week");
    if (span < 24h * 730) return count_of(whole(24h * 30), "month");
    return count_of(whole(24h * 365), "year");
}

// Exactly `digits` digits at the front of text, which is then shortened.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
    int value = 0;
    if (text.size() < digits) return std::nullopt;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + digits, value);
    if (failure != std::errc{} || end != text.data() + digits || value < 0) return std::nullopt;
    text.remove_prefix(digits);
    return value;
}

bool take(std::string_view& text, std::string_view any_of) {
    if (text.empty() || !any_of.contains(text.front())) return false;
    text.remove_prefix(1);
    return true;
}

nanoseconds take_fraction(std::string_view& text) {
    nanoseconds fraction{0};
    nanoseconds digit_value = 100ms;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
        fraction += (text.front() - '0') * digit_value;
        digit_value /= 10;
        text.remove_prefix(1);
    }
    return fraction;
}

std::optional<nanoseconds> take_offset(std::string_view& text) {
    if (take(text, "Zz")) return 0ns;
    const bool behind = text.starts_with('-');
    if (!take(text, "+-")) return std::nullopt;
    const auto hours = take_number(text, 2);
    if (!hours || !take(text, ":")) return std::nullopt;
    const auto minutes = take_number(text, 2);
    if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
    const nanoseconds offset = std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
    return behind ? -offset : offset;
}

}  // namespace

std::string human_bytes(std::uint64_t bytes) {
    constexpr std::array units{"B", "KB", "MB", "GB", "TB", "PB", "EB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 999.5 && unit + 1 < units.size()) {
        value /= 1000;
        ++unit;
    }
    if (unit == 0 || value >= 9.95) return formatted("{:.0f} {}", value, units[unit]);
    return formatted("{:.1f} {}", value, units[unit]);
}

std::string human_duration(nanoseconds duration) {
    const double seconds = std::chrono::duration<double>(duration).count();
    if (duration < 1us) return formatted("{} ns", duration.count());
    if (duration < 1ms) return formatted("{:.1f} µs", seconds * 1e6);
    if (duration < 1s) return formatted("{:.1f} ms", seconds * 1e3);
    if (duration < 1min) return formatted("{:.2f} s", seconds);
    return formatted("{}m{}s", duration / 1min, (duration % 1min) / 1s);
}

std::string relative_time(WallTime time, WallTime now) {
    // A difference of far away times would overflow: clamp to centuries.
    const auto years = std::chrono::duration<double>(time.time_since_epoch()).count() / 31'557'600.0 -
                       std::chrono::duration<double>(now.time_since_epoch()).count() / 31'557'600.0;
    if (std::abs(years) > 200) return years < 0 ? "centuries ago" : "centuries from now";
    const nanoseconds difference = now - time;
    if (difference > -1s && difference < 1s) return "just now";
    return difference > 0ns ? rough_span(difference) + " ago" : rough_span(-difference) + " from now";
}

std::optional<WallTime> parse_time(std::string_view text) {
    const auto year = take_number(text, 4);
    if (!year || !take(text, "-")) return std::nullopt;
    const auto month = take_number(text, 2);
    if (!month || !take(text, "-")) return std::nullopt;
    const auto day = take_number(text, 2);
    if (!day || !take(text, "Tt ")) return std::nullopt;
    const auto hour = take_number(text, 2);
    if (!hour || !take(text, ":")) return std::nullopt;
    const auto minute = take_number(text, 2);
    if (!minute || !take(text, ":")) return std::nullopt;
    const auto second = take_number(text, 2);
    if (!second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
    const nanoseconds fraction = take(text, ".") ? take_fraction(text) : 0ns;
    const auto offset = take_offset(text);
    const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                           std::chrono::day(static_cast<unsigned>(*day))};
    // Nanoseconds since 1970 fit from 1678 to 2261; beyond, the last whole year stands for all.
    if (!offset || !text.empty() || !date.ok()) return std::nullopt;
    if (*year > 2261) return WallTime::max();
    if (*year < 1678) return WallTime::min();
    return std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
           std::chrono::seconds(*second) + fraction - *offset;
}

std::string format_table(const std::vector<std::string>& headings, const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    for (std::size_t column = 0; column < headings.size(); ++column) {
        widths.push_back(text_width(headings[column]));
        for (const auto& row : rows) widths.back() = std::max(widths.back(), text_width(row[column]));
    }
    std::string table;
    const auto add_row = [&](const std::vector<std::string>& cells) {
        for (std::size_t column = 0; column < cells.size(); ++column) {
            table += cells[column];
            if (column + 1 < cells.size()) table.append(widths[column] - text_width(cells[column]) + 4, ' ');
        }
        table += '\n';
    };
    add_row(headings);
    for (const auto& row : rows) add_row(row);
    return table;
}

}  // namespace weft::cli
