#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "grammar/code_point_set.h"

namespace weft {

class GbnfBuilder;

inline constexpr std::size_t max_pattern_bytes = std::size_t{64} * 1024;
inline constexpr std::uint32_t max_pattern_repeats = 100'000;
inline constexpr int max_pattern_depth = 64;

// How many characters a text has. No most: unbounded.
struct LengthRange {
    std::uint64_t least = 0;
    std::optional<std::uint64_t> most = 0;
};

// A regular expression in the subset that ECMAScript, Python and PCRE share and a grammar can express: literals, classes,
// '.', groups, '|', greedy or lazy quantifiers, ^ at the beginning and $ at the end of the whole or of one of its
// alternatives. No look-around, back references, word boundaries, \p{..} or inline flags: invalid_request names them.
class Regex {
  public:
    [[nodiscard]] static Result<Regex> parse(std::string_view pattern);

    enum class Writing : std::uint8_t {
        plain,        // the text itself, which must match as a whole
        json_string,  // the inside of a JSON string that contains a match
    };
    // Adds the rules for it and returns the name of theirs.
    [[nodiscard]] Result<std::string> add_to(GbnfBuilder& builder, Writing writing) const;

    // Of the texts that add_to(json_string) produces, in characters.
    [[nodiscard]] LengthRange length() const;
    // Narrows one unbounded repetition of a single character, so that all texts have such a length. False when that is
    // not possible; the pattern is then as before.
    [[nodiscard]] bool narrow(const LengthRange& wanted);

    struct Node;

  private:
    explicit Regex(std::shared_ptr<Node> root) : root_(std::move(root)) {}
    std::shared_ptr<Node> root_;
};

}  // namespace weft
