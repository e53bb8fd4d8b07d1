#include "scheduler/kv_pool.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"

namespace weft {
namespace {

// Copying runs on the step thread: about 10 ms at memory speed.
constexpr std::uint64_t copied_bytes_per_step = 64ULL << 20;

std::size_t slot_of(SequenceId id) { return static_cast<std::size_t>(id); }

}  // namespace

KvPool::KvPool(Engine& engine, SpillStore* spill, std::string identity)
    : engine_(engine),
      spill_(engine.limits().memory == MemoryKind::none ? nullptr : spill),
      identity_(std::move(identity)),
      ledger_(engine.limits().kv_cells, engine.limits().max_sequences),
      hits_(static_cast<std::size_t>(engine.limits().max_sequences)) {}

std::int32_t KvPool::evictable_cells(const std::vector<SequenceId>& running) const {
    return ledger_.used_cells() - ledger_.held_by(running);
}

SequenceId KvPool::start(PrefixMatch& match) {
    if (match.from_cache && match.whole) {
        hits_[slot_of(match.holder)] = cache_.take(match.holder)->hits + 1;
        return match.holder;
    }
    if (match.from_cache) cache_.touch(match.holder);
    else if (match.tokens > 0) ++hits_[slot_of(match.holder)];
    auto id = ledger_.claim();
    std::uint64_t copied = 0;
    while (id == SequenceId{-1}) {
        if (!evict(copied, match.holder)) {
            if (!match.from_cache || !evict(copied)) return id;
            match = {};
        }
        id = ledger_.claim();
    }
    if (match.tokens > 0) {
        engine_.share_prefix(match.holder, id, match.tokens);
        ledger_.share_prefix(match.holder, id, match.tokens);
    }
    return id;
}

void KvPool::clear(SequenceId id) {
    engine_.remove(id);
    ledger_.truncate(id, 0);
}

void KvPool::truncate(SequenceId id, std::int32_t tokens) {
    (void)engine_.truncate(id, tokens);
    ledger_.truncate(id, tokens);
}

void KvPool::release(SequenceId id) {
    engine_.remove(id);
    ledger_.release(id);
    hits_[slot_of(id)] = 0;
}

void KvPool::keep(SequenceId id, std::vector<Token> tokens, const std::string& scope) {
    if (keeps_states()) {
        auto chain = chain_for(scope);
        save_state(id, tokens, static_cast<std::int32_t>(tokens.size()), chain);
    }
    if (!shares() || tokens.empty()) return release(id);
    const auto held = ledger_.length(id);
    assert_that(held == static_cast<std::int32_t>(tokens.size()), "a cached prefix holds one cell per token");
    const auto hits = std::exchange(hits_[slot_of(id)], 0);
    for (const auto superfluous : cache_.insert({.id = id, .tokens = std::move(tokens), .scope = scope, .hits = hits}))
        release(superfluous);
}

// ---- room -----------------------------------------------------------------------------------------------------------

bool KvPool::evict(std::uint64_t& copied_bytes, SequenceId spared) {
    std::vector<CachedView> views;
    std::vector<SequenceId> ids;
    for (const auto& entry : cache_.entries()) {
        if (entry.id == spared) continue;
        ids.push_back(entry.id);
        views.push_back({.idle = cache_.uses() - entry.last_used,
                         .hits = entry.hits,
                         .freed_cells = ledger_.exclusive_cells(entry.id),
                         .spilled = spill_ != nullptr && entry.persisted});
    }
    const auto victim = choose_victim(views);
    if (!victim) return false;
    const auto entry = cache_.take(ids[*victim]);
    if (copied_bytes < copied_bytes_per_step) copied_bytes += copy_out(*entry);
    release(entry->id);
    ++evictions_;
    return true;
}

bool KvPool::make_room(std::int32_t cells) {
    std::uint64_t copied = 0;
    while (ledger_.free_cells() < cells)
        if (!evict(copied)) return false;
    return true;
}

void KvPool::trim(std::int32_t limit, const std::vector<SequenceId>& running) {
    std::uint64_t copied = 0;
    while (evictable_cells(running) > limit && copied < copied_bytes_per_step)
        if (!evict(copied)) return;
}

// ---- copies outside the pool ----------------------------------------------------------------------------------------

std::uint64_t KvPool::copy_out(const PrefixCache::Entry& entry) {
    if (spill_ == nullptr) return 0;
    auto chain = chain_for(entry.scope);
    const auto keys = chain.keys(entry.tokens);
    std::uint64_t copied = 0;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        if (spill_->contains(keys[i])) continue;
        const auto from = static_cast<std::int32_t>(i) * block_tokens;
        auto bytes = engine_.save(entry.id, from, from + block_tokens);
        if (bytes.empty()) break;
        copied += bytes.size();
        spill_->put(keys[i], std::move(bytes));
    }
    spill_->touch(keys);
    return copied;
}

std::int32_t KvPool::spilled_tokens(std::span<const BlockKey> keys) const {
    return spill_ == nullptr ? 0 : static_cast<std::int32_t>(spill_->available(keys)) * block_tokens;
}

SpillStore::Ticket KvPool::fetch(std::span<const BlockKey> keys) const {
    return spill_ == nullptr ? nullptr : spill_->fetch(keys);
}

std::int32_t KvPool::restore(SequenceId id, std::int32_t computed, std::span<const BlockKey> keys) {
    assert_that(computed % block_tokens == 0, "copies are put behind whole blocks");
    for (auto block = static_cast<std::size_t>(computed / block_tokens); block < keys.size(); ++block) {
        const auto bytes = spill_ == nullptr ? nullptr : spill_->get(keys[block]);
        if (!bytes || !make_room(block_tokens)) break;
        if (!engine_.restore(id, computed, computed + block_tokens, *bytes)) {
            log_warn("prefix_not_restored", {{"tokens", std::to_string(computed)}});
            break;
        }
        ledger_.append(id, block_tokens);
        computed += block_tokens;
        restored_tokens_ += block_tokens;
    }
    return computed;
}

// ---- whole states ---------------------------------------------------------------------------------------------------

void KvPool::save_state(SequenceId id, std::span<const Token> tokens, std::int32_t n, BlockChain& chain) {
    if (!keeps_states() || n < least_state_tokens) return;
    assert_that(ledger_.length(id) == n, "a state is copied where it is");
    const auto key = chain.state_key(tokens, static_cast<std::size_t>(n));
    if (!spill_->contains(key)) {
        auto bytes = engine_.save(id, 0, n);
        if (bytes.empty()) return;
        spill_->put(key, std::move(bytes));
        ++states_kept_;
    }
    spill_->touch(std::span(&key, 1));
    states_.note_state(chain.keys(tokens).front(), n);
}

std::vector<StateName> KvPool::states_of(std::span<const Token> tokens, std::span<const std::int32_t> borders,
                                         std::int32_t limit, BlockChain& chain) const {
    std::vector<StateName> found;
    const auto blocks = chain.keys(tokens);
    if (!keeps_states() || blocks.empty()) return found;
    std::vector<std::int32_t> lengths(borders.begin(), borders.end());
    lengths.append_range(states_.lengths(blocks.front()));
    std::ranges::sort(lengths, std::ranges::greater{});
    lengths.erase(std::ranges::unique(lengths).begin(), lengths.end());
    for (const auto n : lengths) {
        if (n > limit || n < least_state_tokens) continue;
        const StateName name{n, chain.state_key(tokens, static_cast<std::size_t>(n))};
        if (spill_->contains(name.key)) found.push_back(name);
    }
    return found;
}

bool KvPool::restore_state(SequenceId id, const StateName& name) {
    const auto bytes = spill_ == nullptr ? nullptr : spill_->get(name.key);
    if (!bytes || !make_room(name.tokens)) return false;
    if (!engine_.restore(id, 0, name.tokens, *bytes)) {
        log_warn("state_not_restored", {{"tokens", std::to_string(name.tokens)}});
        return false;
    }
    ledger_.append(id, name.tokens);
    restored_tokens_ += static_cast<std::uint64_t>(name.tokens);
    return true;
}

bool KvPool::persist(bool only_used_again, std::uint64_t max_bytes) {
    if (spill_ == nullptr) return true;
    std::vector<PrefixCache::Entry*> entries;
    for (auto& entry : cache_.entries())
        if (!entry.persisted && (entry.hits > 0 || !only_used_again)) entries.push_back(&entry);
    std::ranges::sort(entries, std::ranges::greater{}, &PrefixCache::Entry::last_used);
    std::uint64_t copied = 0;
    for (auto* entry : entries) {
        if (copied >= max_bytes) return false;
        copied += copy_out(*entry);
        auto chain = chain_for(entry->scope);
        spill_->persist(chain.keys(entry->tokens));
        entry->persisted = true;
    }
    return true;
}

}  // namespace weft
