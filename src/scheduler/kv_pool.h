#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "scheduler/block_key.h"
#include "scheduler/cell_ledger.h"
#include "scheduler/prefix_cache.h"
#include "scheduler/spill_store.h"
#include "scheduler/state_index.h"

namespace weft {

// The KV cells of one model: which sequences hold them, which finished ones keep theirs for prompts that begin alike,
// what was copied out of the pool and comes back. All calls that change libllama's memory pass here, so that ledger and
// pool always agree. Thread: step.
class KvPool {
  public:
    // `spill` may be null: what leaves the pool is gone then. `identity` is what the cells depend on besides tokens.
    KvPool(Engine& engine, SpillStore* spill, std::string identity);

    [[nodiscard]] const CellLedger& ledger() const { return ledger_; }
    [[nodiscard]] const PrefixCache& cache() const { return cache_; }
    // Cells can be shared, cut and copied in part.
    [[nodiscard]] bool shares() const { return engine_.limits().memory == MemoryKind::tree; }
    // Only whole states can be copied, and there is a place for them.
    [[nodiscard]] bool keeps_states() const { return engine_.limits().memory == MemoryKind::states && spill_ != nullptr; }
    // Held by cached prefixes and by none of these running sequences.
    [[nodiscard]] std::int32_t evictable_cells(const std::vector<SequenceId>& running) const;

    // ---- a sequence's life ----

    // An id that holds the first match.tokens tokens of the match; evicts for it if need be. SequenceId{-1}: none left.
    [[nodiscard]] SequenceId start(PrefixMatch& match);
    void truncate(SequenceId id, std::int32_t tokens);
    void append(SequenceId id, std::int32_t cells) { ledger_.append(id, cells); }
    // What it had is in doubt: nothing is kept of it but its id.
    void clear(SequenceId id);
    void release(SequenceId id);
    // Its cells stay for prompts that begin like its tokens, until they are needed; where cells cannot be shared, a copy of
    // its state does.
    void keep(SequenceId id, std::vector<Token> tokens, const std::string& scope);

    // ---- room ----

    // Evicts until that many cells are free. False when they cannot be.
    bool make_room(std::int32_t cells);
    // Evicts until cached prefixes hold no more than `limit` cells that no running sequence holds, copying no more than
    // a bounded part of them out at a time.
    void trim(std::int32_t limit, const std::vector<SequenceId>& running);

    // ---- copies outside the pool ----

    [[nodiscard]] BlockChain chain_for(const std::string& scope) const { return {identity_, scope}; }
    // Tokens of this prefix that copies outside the pool cover, in memory or on disk.
    [[nodiscard]] std::int32_t spilled_tokens(std::span<const BlockKey> keys) const;
    // Brings what is on disk only into memory; null when there is nothing to wait for.
    [[nodiscard]] SpillStore::Ticket fetch(std::span<const BlockKey> keys) const;
    // Puts copies behind the `computed` tokens (whole blocks) that `id` holds; how many tokens it holds then.
    [[nodiscard]] std::int32_t restore(SequenceId id, std::int32_t computed, std::span<const BlockKey> keys);
    // Copies cached prefixes to memory and disk, most recently used first: those that were used again, or all of them.
    // Stops after about `max_bytes`. True when nothing is left to do.
    bool persist(bool only_used_again, std::uint64_t max_bytes);

    // ---- whole states, where cells cannot be shared ----

    // Copies what `id` holds, the first `n` tokens, unless there is such a copy.
    void save_state(SequenceId id, std::span<const Token> tokens, std::int32_t n, BlockChain& chain);
    // Where this prompt could go on from: those of `borders`, and of the lengths that were kept of others that begin alike,
    // for which there is a copy in memory or on disk. Longest first, shorter than `limit` + 1.
    [[nodiscard]] std::vector<StateName> states_of(std::span<const Token> tokens, std::span<const std::int32_t> borders,
                                                   std::int32_t limit, BlockChain& chain) const;
    // Puts the copy into `id`, which is empty. False when it is gone or libllama does not want it.
    [[nodiscard]] bool restore_state(SequenceId id, const StateName& name);
    [[nodiscard]] bool has_state(const BlockKey& key) const { return spill_ != nullptr && spill_->contains(key); }
    [[nodiscard]] StateIndex& states() { return states_; }
    // Changes when a state was kept: what was looked up before may not be all.
    [[nodiscard]] std::uint64_t states_kept() const { return states_kept_; }

    [[nodiscard]] std::uint64_t restored_tokens() const { return restored_tokens_; }
    [[nodiscard]] std::uint64_t evictions() const { return evictions_; }
    [[nodiscard]] SpillStore* spill_store() const { return spill_; }

  private:
    [[nodiscard]] bool evict(std::uint64_t& copied_bytes, SequenceId spared = SequenceId{-1});
    // Copies the whole blocks of the entry that have no copy yet, and returns how many bytes that were.
    std::uint64_t copy_out(const PrefixCache::Entry& entry);

    Engine& engine_;
    SpillStore* spill_;
    const std::string identity_;
    CellLedger ledger_;
    PrefixCache cache_;
    std::vector<std::uint32_t> hits_;   // of running sequences, by id: who began with their tokens
    std::uint64_t restored_tokens_ = 0;
    std::uint64_t evictions_ = 0;
    StateIndex states_;
    std::uint64_t states_kept_ = 0;
};

}  // namespace weft
