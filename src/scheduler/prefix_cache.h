#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace weft {

// Tokens at the start of a prompt whose KV cells are there already.
struct PrefixMatch {
    std::int32_t tokens = 0;         // 0 = none
    SequenceId holder{-1};
    bool from_cache = false;         // the holder is a finished sequence, not a running one
    bool whole = false;              // all of what the cached holder has: it can be taken over instead of shared
};

[[nodiscard]] std::int32_t common_prefix(std::span<const Token> a, std::span<const Token> b);

// Finished sequences whose cells are kept for prompts that begin like them, least recently used first out. Only the
// bookkeeping: the caller releases ids at Engine and CellLedger. Entries of one tenant are invisible to others.
// Thread: step.
class PrefixCache {
  public:
    struct Entry {
        SequenceId id{-1};
        std::vector<Token> tokens;
        std::string tenant;
        std::uint64_t last_used = 0;
    };

    // The entry with the longest common prefix, looking at no more than `limit` tokens of the prompt.
    [[nodiscard]] PrefixMatch find(std::span<const Token> prompt, std::int32_t limit, const std::string& tenant) const;

    void touch(SequenceId id);
    // Adds an entry. Returns the ids that it makes superfluous (prefixes of it; itself, if another covers it).
    [[nodiscard]] std::vector<SequenceId> insert(Entry entry);
    // Takes the entry out without freeing anything: its id lives on in a running sequence.
    void take_over(SequenceId id);
    // Takes the least recently used entry out.
    [[nodiscard]] std::optional<SequenceId> evict();

    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }

  private:
    std::vector<Entry> entries_;
    std::uint64_t uses_ = 0;
};

}  // namespace weft
