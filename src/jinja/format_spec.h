#pragma once

#include <string>
#include <string_view>

#include "jinja/failure.h"
#include "jinja/meter.h"
#include "jinja/value.h"

namespace weft::jinja {

// Width and precision that a template may ask for.
inline constexpr int max_format_width = 10'000;

// [[fill]align][sign][#][0][width][,][.precision][type], Python's format specification.
struct FormatSpec {
    std::string fill = " ";
    char align = '\0';  // < > ^ = or none
    char sign = '-';    // + - or space
    bool alternate = false;
    bool zero_padded = false;
    char grouping = '\0';  // , or _
    int width = -1;        // -1: none
    int precision = -1;
    char type = '\0';
};

[[nodiscard]] Outcome<FormatSpec> parse_format_spec(std::string_view text);
// Digits at `at`, which moves behind them; -1 when there are none.
[[nodiscard]] Outcome<int> read_format_number(std::string_view text, std::size_t& at);

[[nodiscard]] Outcome<std::string> format_text(Meter& meter, const FormatSpec& spec, std::string_view text);
[[nodiscard]] Outcome<std::string> format_number(Meter& meter, const FormatSpec& spec, const Value& number);

}  // namespace weft::jinja
