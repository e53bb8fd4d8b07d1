#include "services/documents/fusion.h"

#include <algorithm>
#include <unordered_map>

namespace weft {
namespace {

constexpr double rank_constant = 60;  // of the paper: how little the first ranks differ

}  // namespace

std::vector<FusedPassage> fuse(std::span<const std::vector<std::int64_t>> lists, std::size_t limit) {
    std::vector<FusedPassage> fused;
    std::unordered_map<std::int64_t, std::size_t> places;
    const double best = static_cast<double>(lists.size()) / (rank_constant + 1);
    for (const auto& list : lists) {
        for (std::size_t rank = 0; rank < list.size(); ++rank) {
            const auto [place, is_new] = places.try_emplace(list[rank], fused.size());
            if (is_new) fused.push_back({.number = list[rank]});
            fused[place->second].score += 1 / (rank_constant + 1 + static_cast<double>(rank)) / best;
        }
    }
    std::ranges::stable_sort(fused, std::ranges::greater{}, &FusedPassage::score);
    if (fused.size() > limit) fused.resize(limit);
    return fused;
}

}  // namespace weft
