#include "services/documents/fusion.h"

#include <algorithm>
#include <unordered_map>

namespace weft {
namespace {

constexpr double rank_constant = 60;  // of the paper: how little the first ranks differ

}  // namespace

std::vector<FusedPassage> fuse(std::span<const Ranking> rankings, std::size_t limit) {
    std::vector<FusedPassage> fused;
    std::unordered_map<std::int64_t, std::size_t> places;
    double best = 0;
    for (const auto& ranking : rankings) best += ranking.weight / (rank_constant + 1);
    for (const auto& [passages, weight] : rankings) {
        for (std::size_t rank = 0; rank < passages.size(); ++rank) {
            const auto [place, is_new] = places.try_emplace(passages[rank], fused.size());
            if (is_new) fused.push_back({.number = passages[rank]});
            fused[place->second].score += weight / (rank_constant + 1 + static_cast<double>(rank)) / best;
        }
    }
    std::ranges::stable_sort(fused, std::ranges::greater{}, &FusedPassage::score);
    if (fused.size() > limit) fused.resize(limit);
    return fused;
}

}  // namespace weft
