#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"

namespace weft {

class GbnfBuilder;

// A decimal number as its digits: -12.50 is {true, "12", "5"}. No leading zeros but for "0", no trailing ones behind the
// point.
struct Decimal {
    bool negative = false;
    std::string whole = "0";
    std::string fraction{};

    [[nodiscard]] static Decimal of(double value);
    [[nodiscard]] static Decimal of(std::int64_t value);
    [[nodiscard]] bool zero() const { return whole == "0" && fraction.empty(); }
};
// <0, 0, >0, as numbers.
[[nodiscard]] int compare(const Decimal& a, const Decimal& b);

struct NumberBounds {
    std::optional<Decimal> least;
    std::optional<Decimal> most;
    bool above_least = false;  // exclusive
    bool below_most = false;
    std::optional<std::size_t> places{};  // of a number: at most so many digits behind the point; bounds have no more

    [[nodiscard]] bool any() const { return least || most; }
};

// A rule for the decimal notation of numbers within the bounds, without exponent unless nothing bounds them. Bounded in
// length: at most 16 digits before the point (more if the bounds need them). Bounds of more than 40 digits hold, but not to
// the last number: they are taken to a power of ten. Nothing when no number lies within.
[[nodiscard]] std::optional<std::string> add_integer(GbnfBuilder& builder, const NumberBounds& bounds);
[[nodiscard]] std::optional<std::string> add_number(GbnfBuilder& builder, const NumberBounds& bounds);

inline constexpr std::int64_t max_multiple = 250;           // of which multiples are counted by remainders ...
inline constexpr std::size_t max_multiple_digits = 9;       // ... of that many digits at most
inline constexpr std::int64_t max_listed_multiples = 2000;  // within bounds: written out one by one

// Whole multiples of `step` within bounds. invalid_request when that is beyond these limits.
[[nodiscard]] Result<std::optional<std::string>> add_multiples(GbnfBuilder& builder, std::int64_t step,
                                                               const NumberBounds& bounds);

}  // namespace weft
