#include "grammar/number_ranges.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <vector>

#include "grammar/gbnf_builder.h"

namespace weft {
namespace {

constexpr std::size_t usual_digits = 16;      // of a whole number without an upper bound
constexpr std::size_t significant_digits = 15;  // that a double tells apart for certain

std::string digit_class(char from, char to) {
    if (from == to) return std::string("\"") + from + "\"";
    return std::string("[") + from + "-" + to + "]";
}

std::string any_digits(std::size_t least, std::size_t most) {
    if (most == 0) return "";
    const auto upper = std::to_string(most);
    return "[0-9]{" + std::to_string(least) + "," + upper + "}";
}

std::string both(const std::string& a, const std::string& b) {
    if (a.empty()) return b;
    return b.empty() ? a : a + " " + b;
}

// Alternatives of GBNF; "nothing matches" when there are none.
struct Choice {
    std::vector<std::string> alternatives;
    void add(std::string text) { alternatives.push_back(text.empty() ? "\"\"" : std::move(text)); }
    [[nodiscard]] bool none() const { return alternatives.empty(); }
    [[nodiscard]] std::string text() const {
        std::string joined;
        for (const auto& alternative : alternatives) joined += (joined.empty() ? "" : " | ") + alternative;
        return alternatives.size() == 1 ? joined : "(" + joined + ")";
    }
};

// Digit strings of one length with low <= x <= high; both have that length.
Choice same_length(std::string_view low, std::string_view high) {
    Choice choice;
    if (low.empty()) {
        choice.add("");
        return choice;
    }
    const auto n = low.size();
    const std::string nines(n - 1, '9');
    const std::string zeros(n - 1, '0');
    char from = low[0];
    char to = high[0];
    const auto first = digit_class(from, from);
    if (from == to) {
        choice.add(both(first, same_length(low.substr(1), high.substr(1)).text()));
        return choice;
    }
    if (low.substr(1) != zeros) {
        choice.add(both(first, same_length(low.substr(1), nines).text()));
        ++from;
    }
    const bool whole_top = high.substr(1) == nines;
    if (!whole_top) --to;
    if (from <= to) choice.add(both(digit_class(from, to), n > 1 ? any_digits(n - 1, n - 1) : ""));
    if (!whole_top) choice.add(both(digit_class(high[0], high[0]), same_length(zeros, high.substr(1)).text()));
    return choice;
}

bool less(std::string_view a, std::string_view b) { return a.size() != b.size() ? a.size() < b.size() : a < b; }

// Whole numbers without sign, low <= x <= high, in their usual notation.
Choice natural(const std::string& low, const std::string& high) {
    Choice choice;
    if (less(high, low)) return choice;
    if (low.size() == high.size()) {
        choice.add(same_length(low, high).text());
        return choice;
    }
    choice.add(same_length(low, std::string(low.size(), '9')).text());
    const bool whole_top = high.find_first_not_of('9') == std::string::npos;
    const auto between = whole_top ? high.size() : high.size() - 1;  // lengths up to this one are there whole
    if (between > low.size()) choice.add("[1-9] " + any_digits(low.size(), between - 1));
    if (!whole_top) choice.add(same_length("1" + std::string(high.size() - 1, '0'), high).text());
    return choice;
}

// Bounds with more digits than this are taken to the next power of ten, on the inside.
constexpr std::size_t most_exact_digits = 40;

void round_inwards(std::optional<Decimal>& bound, bool& exclusive, bool is_least) {
    if (!bound || bound->whole.size() <= most_exact_digits) return;
    const auto digits = bound->whole.size();
    const bool is_cap = bound->negative == is_least;  // of the magnitude
    bound = Decimal{.negative = bound->negative, .whole = is_cap ? "1" + std::string(digits - 1, '0') : std::string(digits, '9')};
    exclusive = is_cap;
}

NumberBounds rounded_inwards(NumberBounds bounds) {
    round_inwards(bounds.least, bounds.above_least, true);
    round_inwards(bounds.most, bounds.below_most, false);
    return bounds;
}

std::string plus_one(std::string digits) {
    for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit) {
        if (*digit != '9') return ++*digit, digits;
        *digit = '0';
    }
    return "1" + digits;
}

std::string minus_one(std::string digits) {  // of a number above 0
    for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit) {
        if (*digit != '0') {
            --*digit;
            break;
        }
        *digit = '9';
    }
    if (digits.size() > 1 && digits[0] == '0') digits.erase(0, 1);
    return digits;
}

// A range of magnitudes; no high: as far as `usual_digits` goes.
struct Magnitudes {
    Decimal low{};
    std::optional<Decimal> high{};
    bool above_low = false;
    bool below_high = false;
    std::optional<std::size_t> places{};
};

std::optional<Magnitudes> positive_part(const NumberBounds& bounds) {
    if (bounds.most && (bounds.most->negative && !bounds.most->zero())) return std::nullopt;
    Magnitudes part{.high = bounds.most, .below_high = bounds.below_most, .places = bounds.places};
    if (bounds.least && !bounds.least->negative) {
        part.low = *bounds.least;
        part.above_low = bounds.above_least;
    }
    return part;
}

// Of numbers below 0; zero itself belongs to the positive ones.
std::optional<Magnitudes> negative_part(const NumberBounds& bounds) {
    if (bounds.least && (!bounds.least->negative || bounds.least->zero())) return std::nullopt;
    Magnitudes part{.above_low = true, .places = bounds.places};
    if (bounds.least) {
        part.high = bounds.least;
        part.below_high = bounds.above_least;
    }
    if (bounds.most && bounds.most->negative && !bounds.most->zero()) {
        part.low = *bounds.most;
        part.above_low = bounds.below_most;
    }
    return part;
}

std::string highest_whole(const Magnitudes& range) {
    return std::string(std::max(usual_digits, range.low.whole.size() + 1), '9');
}

Choice whole_magnitudes(const Magnitudes& range) {
    auto low = range.low.whole;
    if (!range.low.fraction.empty() || range.above_low) low = plus_one(low);
    if (!range.high) return natural(low, highest_whole(range));
    auto high = range.high->whole;
    if (range.high->fraction.empty() && range.below_high) {
        if (high == "0") return {};
        high = minus_one(high);
    }
    return natural(low, high);
}

// ---- fractions ------------------------------------------------------------------------------------------------------
// Below, texts are digits behind the point: 1 to `room` of them, where nothing at all stands for the point missing too.

struct FractionBounds {
    std::optional<std::string> low{};  // at least this; absent: anything
    std::optional<std::string> high{};
    bool above_low = false;
    bool below_high = false;
};

bool zeros(std::string_view digits) { return digits.find_first_not_of('0') == std::string_view::npos; }

// What may follow the digits so far. Bounds are what is left of them.
Choice digits_within(const FractionBounds& bounds, std::size_t room) {
    Choice choice;
    const bool low_open = bounds.low.has_value();
    const bool high_open = bounds.high.has_value();
    // Ending here means zeros from here on.
    const bool ends_above = !low_open || (zeros(*bounds.low) && !bounds.above_low);
    const bool ends_below = !high_open || !zeros(*bounds.high) || !bounds.below_high;
    if (ends_above && ends_below) choice.add("");
    if (room == 0) return choice;
    if (!low_open && !high_open) return choice.alternatives.clear(), choice.add(any_digits(0, room)), choice;
    const char from = low_open && !bounds.low->empty() ? bounds.low->front() : '0';
    const char to = high_open ? (bounds.high->empty() ? '0' : bounds.high->front()) : '9';
    const auto rest = [](const std::optional<std::string>& digits) {
        return digits && !digits->empty() ? std::optional(digits->substr(1)) : digits;
    };
    const char inner_from = low_open ? static_cast<char>(from + 1) : from;
    const char inner_to = high_open ? static_cast<char>(to - 1) : to;
    const auto edge = [&](char digit, bool on_low, bool on_high) {
        FractionBounds next{.above_low = bounds.above_low, .below_high = bounds.below_high};
        if (on_low) next.low = rest(bounds.low);
        if (on_high) next.high = rest(bounds.high);
        const auto inside = digits_within(next, room - 1);
        if (!inside.none()) choice.add(both(digit_class(digit, digit), inside.text()));
    };
    if (low_open && high_open && from == to) {
        edge(from, true, true);
        return choice;
    }
    if (low_open && from <= to) edge(from, true, false);
    if (inner_from <= inner_to) choice.add(both(digit_class(inner_from, inner_to), any_digits(0, room - 1)));
    if (high_open && from <= to) edge(to, false, true);
    return choice;
}

// ".5" and the like, behind a whole part of that many digits.
std::string with_fraction(const std::string& whole, const FractionBounds& bounds, std::size_t whole_digits,
                          std::optional<std::size_t> places) {
    std::size_t room = whole_digits < significant_digits ? significant_digits - whole_digits : 1;
    room = std::min<std::size_t>(room, 10);
    for (const auto& digits : {bounds.low, bounds.high})
        if (digits) room = std::max(room, digits->size() + 1);
    if (places) room = *places;
    const auto choice = digits_within(bounds, room);
    std::string texts;
    bool bare = false;
    for (const auto& alternative : choice.alternatives) {
        if (alternative == "\"\"") bare = true;
        else if (alternative.starts_with("[0-9]{0,")) (bare = true), texts = "[0-9]{1," + std::to_string(room) + "}";
        else texts += (texts.empty() ? "" : " | ") + alternative;
    }
    if (texts.empty()) return bare ? whole : "";
    const auto point = "\".\" (" + texts + ")";
    return whole + (bare ? " (" + point + ")?" : " " + point);
}

Choice decimal_magnitudes(const Magnitudes& range) {
    Choice choice;
    const auto add = [&](const std::string& text) {
        if (!text.empty()) choice.add(text);
    };
    const auto& low = range.low;
    const std::string high_whole = range.high ? range.high->whole : highest_whole(range);
    if (less(high_whole, low.whole)) return choice;
    FractionBounds at_low{.low = low.fraction, .above_low = range.above_low};
    if (low.fraction.empty() && !range.above_low) at_low.low = std::nullopt;
    FractionBounds at_high{};
    if (range.high) at_high = {.high = range.high->fraction, .below_high = range.below_high};
    const auto literal = [](const std::string& digits) { return "\"" + digits + "\""; };
    if (low.whole == high_whole) {
        at_low.high = at_high.high;
        at_low.below_high = at_high.below_high;
        add(with_fraction(literal(low.whole), at_low, low.whole.size(), range.places));
        return choice;
    }
    add(with_fraction(literal(low.whole), at_low, low.whole.size(), range.places));
    const auto above = plus_one(low.whole);
    const auto below = range.high ? minus_one(high_whole) : high_whole;
    if (const auto between = natural(above, below); !between.none())
        add(with_fraction(between.text(), {}, std::min(below.size(), significant_digits - 6), range.places));
    if (range.high) add(with_fraction(literal(high_whole), at_high, high_whole.size(), range.places));
    return choice;
}

template <typename Magnitude>
std::optional<std::string> add_signed(GbnfBuilder& builder, std::string_view name, const NumberBounds& bounds,
                                      Magnitude magnitudes) {
    Choice all;
    if (const auto part = positive_part(bounds))
        if (const auto choice = magnitudes(*part); !choice.none()) all.add(choice.text());
    if (const auto part = negative_part(bounds))
        if (const auto choice = magnitudes(*part); !choice.none()) all.add("\"-\" " + choice.text());
    if (all.none()) return std::nullopt;
    return builder.add_shared_rule(name, all.text());
}

// The text of a number without exponent.
Decimal parse_plain(std::string_view text) {
    Decimal decimal;
    if (text.starts_with('-')) {
        decimal.negative = true;
        text.remove_prefix(1);
    }
    const auto point = text.find('.');
    decimal.whole = std::string(text.substr(0, point));
    if (point != std::string_view::npos) decimal.fraction = std::string(text.substr(point + 1));
    decimal.whole.erase(0, std::min(decimal.whole.find_first_not_of('0'), decimal.whole.size() - 1));
    decimal.fraction.erase(decimal.fraction.find_last_not_of('0') + 1);
    if (decimal.zero()) decimal.negative = false;
    return decimal;
}

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - ((a % b != 0) && ((a < 0) != (b < 0)) ? 1 : 0); }

}  // namespace

Decimal Decimal::of(std::int64_t value) { return parse_plain(std::to_string(value)); }

Decimal Decimal::of(double value) {
    // The shortest text that reads back as this double, without an exponent.
    for (int digits = 0; digits <= 40; ++digits) {
        std::string text(400, '\0');
        const int n = std::snprintf(text.data(), text.size(), "%.*f", digits, value);
        text.resize(static_cast<std::size_t>(std::clamp(n, 0, 399)));
        if (std::strtod(text.c_str(), nullptr) == value || digits == 40) return parse_plain(text);
    }
    return {};
}

int compare(const Decimal& a, const Decimal& b) {
    if (a.negative != b.negative) return a.negative ? -1 : 1;
    int order = a.whole.size() != b.whole.size() ? (a.whole.size() < b.whole.size() ? -1 : 1) : a.whole.compare(b.whole);
    if (order == 0) order = a.fraction.compare(b.fraction);
    return a.negative ? -order : order;
}

std::optional<std::string> add_integer(GbnfBuilder& builder, const NumberBounds& bounds) {
    if (!bounds.any()) return builder.add_shared_rule("integer", R"("-"? ("0" | [1-9] [0-9]{0,15}))");
    return add_signed(builder, "integer", rounded_inwards(bounds), whole_magnitudes);
}

std::optional<std::string> add_number(GbnfBuilder& builder, const NumberBounds& bounds) {
    if (!bounds.any())
        return builder.add_shared_rule("number",
                                       R"("-"? ("0" | [1-9] [0-9]{0,15}) ("." [0-9]{1,16})? ([eE] [-+]? [0-9] [0-9]?)?)");
    return add_signed(builder, "number", rounded_inwards(bounds), decimal_magnitudes);
}

Result<std::optional<std::string>> add_multiples(GbnfBuilder& builder, std::int64_t step, const NumberBounds& bounds) {
    if (bounds.least && bounds.most) {
        constexpr double safe = 9e15;
        const double low = std::strtod(((bounds.least->negative ? "-" : "") + bounds.least->whole + "." + bounds.least->fraction + "0").c_str(), nullptr);
        const double high = std::strtod(((bounds.most->negative ? "-" : "") + bounds.most->whole + "." + bounds.most->fraction + "0").c_str(), nullptr);
        if (std::abs(low) < safe && std::abs(high) < safe) {
            std::int64_t first = -floor_div(-static_cast<std::int64_t>(std::ceil(low)), step);
            std::int64_t last = floor_div(static_cast<std::int64_t>(std::floor(high)), step);
            if (bounds.above_least && static_cast<double>(first * step) == low) ++first;
            if (bounds.below_most && static_cast<double>(last * step) == high) --last;
            if (first > last) return std::nullopt;
            if (last - first < max_listed_multiples) {
                std::string body;
                for (std::int64_t i = first; i <= last; ++i)
                    body += (body.empty() ? "\"" : " | \"") + std::to_string(i * step) + "\"";
                return builder.add_shared_rule("multiple", body);
            }
        }
    }
    if (bounds.any() || step > max_multiple)
        return fail(ErrorCode::invalid_request, "has too many multiples within its bounds to be enforced");
    // below[r]: a rule for what may follow digits with remainder r when that many digits may still come; empty: nothing.
    std::vector<std::string> below(static_cast<std::size_t>(step));
    below[0] = builder.add_shared_rule("remainder", "\"\"");
    const auto choice = [&](std::int64_t remainder, int first_digit) {
        std::string body;
        for (int digit = first_digit; digit <= 9; ++digit) {
            const auto& rest = below[static_cast<std::size_t>((remainder * 10 + digit) % step)];
            if (!rest.empty()) body += (body.empty() ? "\"" : " | \"") + std::to_string(digit) + "\" " + rest;
        }
        return body;
    };
    for (std::size_t digits = 1; digits < max_multiple_digits; ++digits) {
        std::vector<std::string> next(below.size());
        for (std::int64_t r = 0; r < step; ++r) {
            const auto body = choice(r, 0);
            if (r == 0) next[0] = builder.add_rule("remainder", "(" + body + ")?");
            else if (!body.empty()) next[static_cast<std::size_t>(r)] = builder.add_rule("remainder", body);
        }
        below = std::move(next);
    }
    return builder.add_rule("multiple", "\"0\" | \"-\"? (" + choice(0, 1) + ")");
}

}  // namespace weft
