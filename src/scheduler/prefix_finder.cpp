#include "scheduler/prefix_finder.h"

#include <algorithm>

namespace weft {
namespace {

// Where states are kept of one sequence, at most: each cuts a chunk of the prefill and copies a whole state.
constexpr std::size_t max_borders = 8;

// At least one token is computed anyway: its logits are wanted.
std::int32_t most_reused(const Sequence& sequence) { return static_cast<std::int32_t>(sequence.tokens.size()) - 1; }

bool same_scope(const Sequence& a, const Sequence& b) {
    const auto &x = a.request->request(), &y = b.request->request();
    return x.shared_cache == y.shared_cache && (x.shared_cache || x.tenant == y.tenant);
}

void add_border(Sequence& sequence, std::int32_t border) {
    auto& borders = sequence.borders;
    const auto place = std::ranges::lower_bound(borders, border);
    if (borders.size() >= max_borders || (place != borders.end() && *place == border)) return;
    borders.insert(place, border);
}

}  // namespace

std::string scope_of(const GenerateRequest& request) {
    return request.shared_cache ? std::string("shared") : "tenant " + request.tenant;
}

// Scoring a prompt wants the logits of all its rows.
bool PrefixFinder::takes_part(const Sequence& sequence) const {
    return (kv_.shares() || kv_.keeps_states()) && most_reused(sequence) > 0 && !sequence.scores_prompt();
}

PrefixMatch PrefixFinder::find(Sequence& sequence, const Sequence* not_from) const {
    if (!takes_part(sequence)) return {};
    const auto limit = most_reused(sequence);
    return kv_.shares() ? find_cells(sequence, limit, not_from) : find_state(sequence, limit);
}

PrefixMatch PrefixFinder::find_cells(const Sequence& sequence, std::int32_t limit, const Sequence* not_from) const {
    PrefixMatch best = kv_.cache().find(sequence.tokens, limit, scope_of(sequence.request->request()));
    for (const auto& other : running_) {
        if (other.get() == not_from || !same_scope(*other, sequence)) continue;
        const std::span computed(other->tokens.data(), static_cast<std::size_t>(other->computed));
        const auto tokens = std::min(limit, common_prefix(sequence.tokens, computed));
        if (tokens > best.tokens) best = {.tokens = tokens, .holder = other->id};
    }
    return best;
}

PrefixMatch PrefixFinder::find_state(Sequence& sequence, std::int32_t limit) const {
    if (sequence.states_seen != kv_.states_kept()) {
        sequence.states = kv_.states_of(sequence.tokens, sequence.borders, limit, chain_of(sequence));
        sequence.states_seen = kv_.states_kept();
    }
    for (const auto& state : sequence.states)
        if (kv_.has_state(state.key)) return {.tokens = state.tokens, .saved = true};
    return {};
}

bool PrefixFinder::is_being_computed(Sequence& sequence) const {
    if (!takes_part(sequence)) return false;
    for (const auto& other : running_) {
        if (other->decodes() || other->request->paused || other->scores_prompt() || !same_scope(*other, sequence)) continue;
        auto shared = std::min(most_reused(sequence), common_prefix(sequence.tokens, other->tokens));
        if (!kv_.shares()) {
            const auto behind = std::ranges::upper_bound(other->borders, shared);
            shared = behind == other->borders.begin() ? 0 : *std::prev(behind);
        }
        if (shared <= other->computed) continue;
        if (shared - find(sequence, other.get()).tokens >= worth_sharing_tokens) return true;
    }
    return false;
}

// ---- arriving -------------------------------------------------------------------------------------------------------

void PrefixFinder::welcome(Sequence& sequence, const WaitingQueue& waiting) {
    sequence.uncached = static_cast<std::int32_t>(sequence.tokens.size());
    if (!takes_part(sequence)) return;
    if (kv_.keeps_states()) choose_state_borders(sequence, waiting);
    const auto limit = most_reused(sequence);
    auto reused = std::max(find(sequence).tokens, kv_.shares() ? std::min(limit, kv_.spilled_tokens(blocks_of(sequence))) : 0);
    fetch(sequence);
    // What others will have computed by then.
    const auto will_have = [&](const SequencePtr& other) {
        if (same_scope(*other, sequence)) reused = std::max(reused, std::min(limit, common_prefix(sequence.tokens, other->tokens)));
    };
    if (kv_.shares()) {
        std::ranges::for_each(running_, will_have);
        std::ranges::for_each(waiting, will_have);
    }
    sequence.uncached -= reused;
}

void PrefixFinder::choose_state_borders(Sequence& sequence, const WaitingQueue& waiting) {
    const auto& prepared = *sequence.request->prepared;
    sequence.borders = choose_borders(prepared.message_borders, static_cast<std::int32_t>(prepared.prompt.size()));
    const auto blocks = blocks_of(sequence);
    if (const auto seen = kv_.states().seen_blocks(blocks); seen > 0) add_border(sequence, static_cast<std::int32_t>(seen) * block_tokens);
    kv_.states().note_prompt(blocks);
    for (const auto& other : running_) share_border(sequence, *other);
    for (const auto& other : waiting) share_border(sequence, *other);
}

// Two that come together part somewhere: whoever is first keeps the state for the other.
void PrefixFinder::share_border(Sequence& sequence, Sequence& other) {
    if (!same_scope(sequence, other)) return;
    const auto shared = std::min(most_reused(sequence), common_prefix(sequence.tokens, other.tokens)) / block_tokens * block_tokens;
    if (shared == 0 || other.computed > shared) return;
    add_border(sequence, shared);
    add_border(other, shared);
}

BlockChain& PrefixFinder::chain_of(Sequence& sequence) const {
    if (!sequence.blocks) sequence.blocks = kv_.chain_for(scope_of(sequence.request->request()));
    return *sequence.blocks;
}

std::span<const BlockKey> PrefixFinder::blocks_of(Sequence& sequence) const {
    if (kv_.spill_store() == nullptr || !takes_part(sequence)) return {};
    const auto keys = chain_of(sequence).keys(sequence.tokens);
    // At least one token is computed anyway.
    return keys.first(std::min(keys.size(), (sequence.tokens.size() - 1) / block_tokens));
}

void PrefixFinder::fetch(Sequence& sequence) {
    if (kv_.keeps_states()) {
        if (find(sequence).saved) sequence.fetching = kv_.fetch(std::span(&sequence.states.front().key, 1));
        return;
    }
    const auto keys = blocks_of(sequence);
    const auto have = find(sequence).tokens;
    const auto outside = kv_.spilled_tokens(keys);
    if (outside - have < worth_sharing_tokens) return;
    const auto first = static_cast<std::size_t>(have / block_tokens);
    sequence.fetching = kv_.fetch(keys.subspan(first, static_cast<std::size_t>(outside / block_tokens) - first));
}

// ---- starting -------------------------------------------------------------------------------------------------------

bool PrefixFinder::start(Sequence& sequence) {
    auto match = find(sequence);
    if (match.saved) {
        PrefixMatch nothing;
        sequence.id = kv_.start(nothing);
        if (sequence.id == SequenceId{-1}) return false;
        for (const auto& state : sequence.states) {
            if (!kv_.restore_state(sequence.id, state)) continue;
            sequence.computed = state.tokens;
            break;
        }
    } else {
        start_with_cells(sequence, match);
        if (sequence.id == SequenceId{-1}) return false;
    }
    sequence.fetching = nullptr;
    sequence.reused = sequence.computed;
    return true;
}

void PrefixFinder::start_with_cells(Sequence& sequence, PrefixMatch match) {
    const auto keys = kv_.shares() ? blocks_of(sequence) : std::span<const BlockKey>();
    const bool restores = kv_.spilled_tokens(keys) - match.tokens >= worth_sharing_tokens;
    if (restores && match.tokens % block_tokens != 0) {
        match.tokens -= match.tokens % block_tokens;
        match.whole = false;
    }
    sequence.id = kv_.start(match);
    if (sequence.id == SequenceId{-1}) return;
    sequence.computed = match.tokens;
    if (restores && match.tokens % block_tokens == 0) sequence.computed = kv_.restore(sequence.id, match.tokens, keys);
}

void PrefixFinder::passed(Sequence& sequence) {
    if (!kv_.keeps_states() || !std::ranges::binary_search(sequence.borders, sequence.computed)) return;
    kv_.save_state(sequence.id, sequence.tokens, sequence.computed, chain_of(sequence));
}

}  // namespace weft
