#pragma once

#include <limits>

#include "grammar/regex_gbnf.h"

namespace weft {

inline constexpr std::uint32_t unbounded = std::numeric_limits<std::uint32_t>::max();

struct Regex::Node {
    enum class Kind : std::uint8_t { characters, sequence, choice, repeat, begin, end };
    Kind kind = Kind::sequence;
    CodePointSet characters{};
    std::vector<std::shared_ptr<Node>> parts{};  // of a sequence or choice; the one that is repeated
    std::uint32_t least = 0;                     // repeat
    std::uint32_t most = unbounded;
};

[[nodiscard]] Result<std::shared_ptr<Regex::Node>> parse_regex(std::string_view pattern);

}  // namespace weft
