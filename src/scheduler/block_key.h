#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runner/generation.h"

namespace weft {

// Prefixes leave the KV pool in blocks of this many tokens; what is behind the last whole block is computed again.
inline constexpr std::int32_t block_tokens = 64;

// Names the KV cells of one block by all that they depend on: model, build, KV type, who may see them, and every token
// from the start to the end of the block. A SHA-256, so that nobody can make two prefixes look alike.
struct BlockKey {
    std::array<unsigned char, 32> bytes{};
    bool operator==(const BlockKey&) const = default;
    [[nodiscard]] std::string hex() const;
};

struct BlockKeyHash {
    std::size_t operator()(const BlockKey& key) const;
};

// Keys of one sequence's blocks, computed as far as they are asked for. Thread: step.
class BlockChain {
  public:
    // `identity` is the model's, `scope` whose tokens they are.
    BlockChain(std::string_view identity, std::string_view scope);

    // The keys of all whole blocks of `tokens`, which may only have grown since the last call.
    [[nodiscard]] std::span<const BlockKey> keys(std::span<const Token> tokens);

    // The key of the whole state after the first `n` of these tokens, whatever n is.
    [[nodiscard]] BlockKey state_key(std::span<const Token> tokens, std::size_t n);

  private:
    BlockKey root_;
    std::vector<BlockKey> keys_;
};

[[nodiscard]] BlockKey sha256(std::span<const std::string_view> parts);

}  // namespace weft
