#include "scheduler/block_branches.h"

#include <algorithm>

#include "scheduler/prefix_cache.h"

namespace weft {
namespace {

constexpr std::size_t max_parents = 32'768;   // about 10 MiB of tokens
constexpr std::size_t max_copies = 16;        // behind one block

}  // namespace

void BlockBranches::note(const BlockKey& parent, std::span<const Token> tokens, const BlockKey& key) {
    const auto [place, fresh] = copies_.try_emplace(parent);
    if (fresh) {
        order_.push_back(parent);
        if (order_.size() > max_parents) {
            copies_.erase(order_.front());
            order_.pop_front();
        }
    }
    auto& copies = place->second;
    if (std::ranges::contains(copies, key, &Copy::key)) return;
    copies.push_back({{tokens.begin(), tokens.end()}, key});
    if (copies.size() > max_copies) copies.erase(copies.begin());
}

BlockBranches::Branch BlockBranches::find(const BlockKey& parent, std::span<const Token> tokens) const {
    Branch best;
    const auto place = copies_.find(parent);
    if (place == copies_.end()) return best;
    for (const auto& copy : place->second)
        if (const auto common = common_prefix(copy.tokens, tokens); common > best.common)
            best = {copy.key, static_cast<std::int32_t>(copy.tokens.size()), common};
    return best;
}

}  // namespace weft
