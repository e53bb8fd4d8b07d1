#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace weft {

struct FusedPassage {
    std::int64_t number = 0;
    double score = 0;  // 1: the first of every list
};

// Several lists of passages, best first, as one: reciprocal rank fusion (Cormack, Clarke, Büttcher 2009), in which what
// stands high in several lists comes first. Equal scores keep the order of the first list. No passage twice.
[[nodiscard]] std::vector<FusedPassage> fuse(std::span<const std::vector<std::int64_t>> lists, std::size_t limit);

}  // namespace weft
