#include "scheduler/kv_pool.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "engine/image_run.h"

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
        engine_.share_prefix(match.holder, id, match.positions);
        ledger_.share_prefix(match.holder, id, match.tokens);
    }
    return id;
}

void KvPool::clear(SequenceId id) {
    engine_.remove(id);
    ledger_.truncate(id, 0);
}

void KvPool::truncate(SequenceId id, std::int32_t tokens, std::int32_t position) {
    (void)engine_.truncate(id, position);
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
    const std::span tokens(entry.tokens);
    std::uint64_t copied = 0;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const auto from = static_cast<std::int32_t>(i) * block_tokens;
        const auto bytes = copy_block(entry.id, from, from + block_tokens, keys[i]);
        if (bytes == 0 && !spill_->contains(keys[i])) return copied;
        copied += bytes;
        if (i > 0) branches_.note(keys[i - 1], tokens.subspan(i * block_tokens, block_tokens), keys[i]);
    }
    const auto words = words_in_front(tokens);
    if (const auto whole = keys.size() * block_tokens; whole > 0 && whole < words) {
        const auto key = chain.state_key(tokens, words);
        copied += copy_block(entry.id, static_cast<std::int32_t>(whole), static_cast<std::int32_t>(words), key);
        branches_.note(keys.back(), tokens.subspan(whole, words - whole), key);
        spill_->touch(std::span(&key, 1));
    }
    spill_->touch(keys);
    return copied;
}

std::uint64_t KvPool::copy_block(SequenceId id, std::int32_t from, std::int32_t to, const BlockKey& key) {
    if (spill_->contains(key)) return 0;
    auto bytes = engine_.save(id, from, to);
    const auto n = bytes.size();
    if (n > 0) spill_->put(key, std::move(bytes));
    return n;
}

std::int32_t KvPool::spilled_tokens(std::span<const BlockKey> keys) const {
    return spill_ == nullptr ? 0 : static_cast<std::int32_t>(spill_->available(keys)) * block_tokens;
}

SpillStore::Ticket KvPool::fetch(std::span<const BlockKey> keys) const {
    return spill_ == nullptr ? nullptr : spill_->fetch(keys);
}

std::int32_t KvPool::restore(SequenceId id, std::int32_t computed, std::span<const Token> tokens, BlockChain& chain) {
    assert_that(computed % block_tokens == 0, "copies are put behind whole blocks");
    const auto keys = chain.keys(tokens);
    // At least one token is computed anyway.
    const auto limit = static_cast<std::int32_t>(tokens.size()) - 1;
    auto block = static_cast<std::size_t>(computed / block_tokens);
    for (; block < keys.size() && computed + block_tokens <= limit; ++block, computed += block_tokens)
        if (!put_back(id, computed, computed + block_tokens, block_tokens, keys[block])) break;
    if (block == 0) return computed;
    const auto rest = tokens.subspan(static_cast<std::size_t>(computed), static_cast<std::size_t>(limit - computed));
    if (const auto branch = branches_.find(keys[block - 1], rest); branch.common > 0)
        if (put_back(id, computed, computed + branch.tokens, branch.common, branch.key)) computed += branch.common;
    return computed;
}

bool KvPool::put_back(SequenceId id, std::int32_t from, std::int32_t to, std::int32_t kept, const BlockKey& key) {
    const auto bytes = spill_ == nullptr ? nullptr : spill_->get(key);
    if (!bytes || !make_room(to - from)) return false;
    if (!engine_.restore(id, from, to, *bytes)) {
        log_warn("prefix_not_restored", {{"tokens", from}});
        return false;
    }
    ledger_.append(id, to - from);
    if (kept < to - from) truncate(id, from + kept, from + kept);  // no image is in front of a copy
    restored_tokens_ += static_cast<std::uint64_t>(kept);
    return true;
}

// ---- whole states ---------------------------------------------------------------------------------------------------

void KvPool::save_state(SequenceId id, std::span<const Token> tokens, std::int32_t n, BlockChain& chain) {
    if (!keeps_states() || n < least_state_tokens || static_cast<std::size_t>(n) > words_in_front(tokens)) return;
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
    const auto most = std::min(limit, static_cast<std::int32_t>(words_in_front(tokens)));
    std::vector<std::int32_t> lengths(borders.begin(), borders.end());
    lengths.append_range(states_.lengths(blocks.front()));
    std::ranges::sort(lengths, std::ranges::greater{});
    lengths.erase(std::ranges::unique(lengths).begin(), lengths.end());
    for (const auto n : lengths) {
        if (n > most || n < least_state_tokens) continue;
        const StateName name{n, chain.state_key(tokens, static_cast<std::size_t>(n))};
        if (spill_->contains(name.key)) found.push_back(name);
    }
    return found;
}

bool KvPool::restore_state(SequenceId id, const StateName& name) {
    const auto bytes = spill_ == nullptr ? nullptr : spill_->get(name.key);
    if (!bytes || !make_room(name.tokens)) return false;
    if (!engine_.restore(id, 0, name.tokens, *bytes)) {
        log_warn("state_not_restored", {{"tokens", name.tokens}});
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
