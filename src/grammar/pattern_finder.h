#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "grammar/code_point_set.h"

namespace weft {

inline constexpr std::size_t max_finder_states = 2048;  // of all patterns of one finder together

// Finds what regular expressions (those of Regex) match anywhere in a text. All states are followed at once, so that no
// pattern takes longer than the text's length times max_finder_states, whatever the text. Immutable. Thread: any.
class PatternFinder {
  public:
    // A part of the text, in bytes.
    struct Span {
        std::size_t begin = 0;
        std::size_t end = 0;
        bool operator==(const Span&) const = default;
    };

    // A pattern: a regular expression, or a text that is meant literally. ignore_case: of ASCII letters.
    // invalid_request when it cannot be read or is too large; nothing is added then. Matches of no characters do not count.
    [[nodiscard]] Result<void> add_pattern(std::string_view regex, bool ignore_case);
    [[nodiscard]] Result<void> add_literal(std::string_view text, bool ignore_case);
    [[nodiscard]] bool empty() const { return starts_.empty(); }

    // Every byte that belongs to any match of any pattern, as parts that neither touch nor overlap, in order.
    [[nodiscard]] std::vector<Span> find(std::string_view text) const;

  private:
    friend class FinderBuilder;
    friend class FinderRun;

    // One character, a choice of two ways on, the text's begin or end, or the end of a match.
    struct State {
        enum class Kind : std::uint8_t { character, split, begin, end, match };
        Kind kind = Kind::match;
        CodePointSet characters{};
        std::uint32_t next = 0;
        std::uint32_t other = 0;
    };
    std::vector<State> states_;
    std::vector<std::uint32_t> starts_;
};

}  // namespace weft
