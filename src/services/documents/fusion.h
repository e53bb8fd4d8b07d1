#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace weft {

struct FusedPassage {
    std::int64_t number = 0;
    double score = 0;  // 1: the first of every ranking
};

// Passages, best first, and how much that counts.
struct Ranking {
    std::vector<std::int64_t> passages{};
    double weight = 1;
};

// Several rankings as one: reciprocal rank fusion (Cormack, Clarke, Büttcher 2009), in which what stands high in several
// of them comes first. Equal scores keep the order of the first one. No passage twice.
[[nodiscard]] std::vector<FusedPassage> fuse(std::span<const Ranking> rankings, std::size_t limit);

}  // namespace weft
