#pragma once

#include <string>
#include <vector>

namespace weft {

// What an answer must look like, and from where on.
struct ConstraintPlan {
    std::string gbnf;             // in libllama's notation, its root rule is called root; empty: nothing is enforced
    bool after_thinking = false;  // the answer may begin with a thinking block, which stays free
    // Empty: enforced from the start of the answer (after the thinking block if after_thinking). Otherwise the answer is
    // free until the first of these strings, which itself is the beginning of what the grammar sees.
    std::vector<std::string> triggers{};

    [[nodiscard]] bool enforces() const { return !gbnf.empty(); }
    bool operator==(const ConstraintPlan&) const = default;
};

}  // namespace weft
