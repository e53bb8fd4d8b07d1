#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "grammar/grammar.h"

namespace weft {

// A grammar before it is laid out.
struct RawRule {
    std::string name;
    std::vector<std::vector<Grammar::Element>> alternatives;  // without their ends
    bool defined = false;
};

// What must hold before anything runs over the rules that `root` reaches: every rule is defined, can end, and does not
// begin with itself. Tells loops of bodies that may be empty that they need not come at all (least = 0), on which
// GrammarMatcher relies.
[[nodiscard]] Result<void> check_rules(std::vector<RawRule>& rules, std::uint32_t root);

}  // namespace weft
