#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "scheduler/block_key.h"

namespace weft {

// The whole state of a sequence after its first `tokens` tokens, as it is kept outside the pool.
struct StateName {
    std::int32_t tokens = 0;
    BlockKey key;
};

// States of fewer tokens are not worth their bytes.
inline constexpr std::int32_t least_state_tokens = block_tokens;

// Where states may be found: memory that cannot be taken apart knows a prefix only at places where somebody copied it.
// Remembers at which lengths that was, and which prompts were seen, so that the place where two of them part is worth a
// copy. Tokens are kept as hashes only; both memories are bounded, the oldest goes first. Thread: step.
class StateIndex {
  public:
    // A state of that many tokens was kept; `first` names the sequence's first block.
    void note_state(const BlockKey& first, std::int32_t tokens);
    // Lengths at which sequences with this first block were kept, newest first.
    [[nodiscard]] std::span<const std::int32_t> lengths(const BlockKey& first) const;

    void note_prompt(std::span<const BlockKey> blocks);
    // How many of these blocks, from the first, were in prompts before.
    [[nodiscard]] std::size_t seen_blocks(std::span<const BlockKey> blocks) const;

  private:
    using Blocks = std::unordered_set<BlockKey, BlockKeyHash>;
    std::unordered_map<BlockKey, std::vector<std::int32_t>, BlockKeyHash> lengths_;
    std::deque<BlockKey> order_;   // of lengths_, oldest first
    Blocks newer_, older_;         // when newer_ is full it becomes older_
};

// At which of a prompt's tokens a state is worth keeping, rising: `messages` are the places where messages begin, of which
// the first (behind what many requests have in common) and the last ones count, and the place before the last token,
// from which the same prompt can go on. Pure.
[[nodiscard]] std::vector<std::int32_t> choose_borders(std::span<const std::int32_t> messages, std::int32_t prompt_tokens);

}  // namespace weft
