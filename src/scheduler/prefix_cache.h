#pragma once

#include <cstdint>
#include <functional>
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
    bool saved = false;              // no holder: a copy of the whole state is outside the pool
};

[[nodiscard]] std::int32_t common_prefix(std::span<const Token> a, std::span<const Token> b);

// What the choice of a victim must know of a cached prefix.
struct CachedView {
    std::uint64_t idle = 0;             // uses of the cache since the last one of this prefix
    std::uint32_t hits = 0;             // requests that began with it
    std::int32_t freed_cells = 0;       // that nobody else holds
    bool spilled = false;               // a copy is outside the pool: it comes back without being computed
};

// Whom to evict: who was idle longest, those that were of use before half as soon for each time (up to four), those
// that can be copied back twice as soon. One that frees nothing only if no other is left. Nothing for an empty list. Pure.
[[nodiscard]] std::optional<std::size_t> choose_victim(const std::vector<CachedView>& cached);

// Finished sequences whose cells are kept for prompts that begin like them: the leaves of a tree whose inner nodes are
// the runs of cells that CellLedger sees them share. Only the bookkeeping: KvPool releases ids and cells. Entries of one
// scope are invisible to others. Thread: step.
class PrefixCache {
  public:
    struct Entry {
        SequenceId id{-1};
        std::vector<Token> tokens;
        std::string scope;
        std::uint64_t last_used = 0;
        std::uint32_t hits = 0;
        bool persisted = false;   // its blocks were sent to disk
    };

    // The entry with the longest common prefix, looking at no more than `limit` tokens of the prompt.
    [[nodiscard]] PrefixMatch find(std::span<const Token> prompt, std::int32_t limit, const std::string& scope) const;

    void touch(SequenceId id);
    // Adds an entry. Returns the ids that it makes superfluous (prefixes of it; itself, if another covers it).
    [[nodiscard]] std::vector<SequenceId> insert(Entry entry);
    // Takes the entry out without freeing anything. Nothing when there is none of that id.
    std::optional<Entry> take(SequenceId id);

    [[nodiscard]] std::uint64_t uses() const { return uses_; }
    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    [[nodiscard]] std::vector<Entry>& entries() { return entries_; }
    [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }

  private:
    std::vector<Entry> entries_;
    std::uint64_t uses_ = 0;
};

}  // namespace weft
