#include "scheduler/state_index.h"

#include <algorithm>

namespace weft {
namespace {

constexpr std::size_t max_beginnings = 4096;
constexpr std::size_t max_lengths = 32;         // of each beginning
constexpr std::size_t max_seen_blocks = 65'536; // twice, at most
constexpr std::size_t last_messages = 2;
// A border this close before another one adds nothing.
constexpr std::int32_t least_distance = 8;

}  // namespace

void StateIndex::note_state(const BlockKey& first, std::int32_t tokens) {
    auto [place, fresh] = lengths_.try_emplace(first);
    if (fresh) {
        order_.push_back(first);
        if (order_.size() > max_beginnings) {
            lengths_.erase(order_.front());
            order_.pop_front();
        }
    }
    auto& lengths = place->second;
    std::erase(lengths, tokens);
    lengths.insert(lengths.begin(), tokens);
    if (lengths.size() > max_lengths) lengths.pop_back();
}

std::span<const std::int32_t> StateIndex::lengths(const BlockKey& first) const {
    const auto place = lengths_.find(first);
    return place == lengths_.end() ? std::span<const std::int32_t>() : std::span(place->second);
}

void StateIndex::note_prompt(std::span<const BlockKey> blocks) {
    for (const auto& block : blocks) newer_.insert(block);
    if (newer_.size() < max_seen_blocks) return;
    older_ = std::move(newer_);
    newer_.clear();
}

std::size_t StateIndex::seen_blocks(std::span<const BlockKey> blocks) const {
    const auto unseen = [&](const BlockKey& block) { return !newer_.contains(block) && !older_.contains(block); };
    return static_cast<std::size_t>(std::ranges::find_if(blocks, unseen) - blocks.begin());
}

std::vector<std::int32_t> choose_borders(std::span<const std::int32_t> messages, std::int32_t prompt_tokens) {
    std::vector<std::int32_t> useful;
    for (const auto border : messages) {
        if (border < least_state_tokens || border >= prompt_tokens) continue;
        if (!useful.empty() && border - useful.back() < least_distance) useful.back() = border;
        else useful.push_back(border);
    }
    if (useful.size() > 1 + last_messages)
        useful.erase(useful.begin() + 1, useful.end() - static_cast<std::ptrdiff_t>(last_messages));
    const auto end = prompt_tokens - 1;
    if (end >= least_state_tokens && (useful.empty() || end - useful.back() >= least_distance)) useful.push_back(end);
    return useful;
}

}  // namespace weft
