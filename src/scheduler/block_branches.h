#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <unordered_map>
#include <vector>

#include "scheduler/block_key.h"

namespace weft {

// What came behind a block, in copies that this process made: whole blocks and shorter ends of sequences. A prompt that
// parts from them inside the next block still finds its part of it. Bounded, the oldest goes first. Thread: step.
class BlockBranches {
  public:
    // `key` names a copy of these tokens, block_tokens at most, which followed the block `parent`.
    void note(const BlockKey& parent, std::span<const Token> tokens, const BlockKey& key);

    struct Branch {
        BlockKey key{};
        std::int32_t tokens = 0;  // of the copy
        std::int32_t common = 0;  // of them, from the first, are those that were asked for; 0 = there is none
    };
    // The copy with the longest common beginning.
    [[nodiscard]] Branch find(const BlockKey& parent, std::span<const Token> tokens) const;

  private:
    struct Copy {
        std::vector<Token> tokens;
        BlockKey key;
    };
    std::unordered_map<BlockKey, std::vector<Copy>, BlockKeyHash> copies_;  // by parent, newest last
    std::deque<BlockKey> order_;  // parents, oldest first
};

}  // namespace weft
