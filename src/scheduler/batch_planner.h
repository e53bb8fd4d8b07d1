#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace weft {

// What the planner must know of a running sequence. `pending` tokens are known but not in the KV cache yet: one for a
// sequence that decodes, more for one in prefill.
struct RunningView {
    std::int32_t pending = 0;
    bool decodes = false;            // has generated before; its pending token is the one just sampled
    bool paused = false;             // its client reads too slowly: leave it out
    bool scores_prompt = false;      // wants logits of every prompt row
    std::int32_t parkable_cells = 0; // cells that parking it would free
    std::int32_t priority = 0;       // smaller first
    double served = 0;               // what its tenant was served already, see FairShare
    std::int32_t places = 1;         // running sequences of its tenant
    std::int32_t guesses = 0;        // of a sequence that decodes: tokens it would like to try beyond the pending one
    std::int32_t chunk = 0;          // computed at once or not at all: up to the next fixed border (deterministic mode), or
                                     // an image whose rows see each other; 0 = any number
    std::int32_t until_border = 0;   // a state is kept behind that many more tokens: a chunk ends there; 0 = nowhere
    double token_weight = 1;         // of its next prompt tokens in the prefill budget: 1 at the beginning, more where many cells are looked at
    std::int32_t segment = 0;        // tokens up to where rows of another kind begin, words or an image; 0 = none do
};

struct WaitingView {
    std::int32_t uncached_tokens = 0;  // of its prompt; at least 1
    std::int32_t donor_cells = 0;      // evictable cells that it would take over from the cache, no longer evictable then
    bool deferred = false;             // its prefix is being computed or read right now: sharing beats starting
};

struct Budget {
    std::int32_t free_cells = 0;
    std::int32_t evictable_cells = 0;  // held by the prefix cache alone
    std::int32_t free_slots = 0;
    std::int32_t max_rows = 0;         // of one decode call
    std::int32_t max_outputs = 0;      // rows with logits in one decode call
    std::int32_t prefill_tokens = 0;        // what prefill may take of a step in which others decode, in tokens of weight 1 ...
    std::int32_t prefill_alone_tokens = 0;  // ... and of one in which nobody does: bounds how late a cancel takes effect
    bool may_hold_back = false;             // see BatchPlan::holds_back
    std::optional<std::uint64_t> turn{};    // deterministic mode, and images: each decode call is one sequence's; whose turn it is
};

// Which waiting sequences start now: a prefix of the queue in order, but a deferred one lets those behind it pass.
// Indices into `waiting`, rising. Pure.
[[nodiscard]] std::vector<std::size_t> plan_admission(const std::vector<RunningView>& running,
                                                      const std::vector<WaitingView>& waiting, Budget budget);

// What one sequence does in this step: its next `tokens` pending tokens.
struct Slice {
    std::size_t running = 0;  // index into the running sequences
    std::int32_t tokens = 0;
    bool completes = false;   // reaches the last pending token: logits are wanted and a token will be sampled
};

struct BatchPlan {
    std::vector<Slice> slices;           // decode rows first
    std::vector<std::size_t> park;       // running sequences to give up their cells, to be resumed later
    std::int32_t decode_rows = 0;
    std::int32_t prefill_tokens = 0;
    std::int32_t guessed_rows = 0;
    // Prompts of tenants with more places wait for the next step, because the first token of one with fewer comes with this
    // one. Never twice in a row, so that they move on.
    bool holds_back = false;
    [[nodiscard]] bool empty() const { return slices.empty() && park.empty(); }
    [[nodiscard]] std::int32_t rows() const { return decode_rows + guessed_rows + prefill_tokens; }
};

// Decode rows first, one per decoding sequence, oldest first, then their guesses; then prefill chunks within the prefill budget: by priority,
// then the tenant that was served least, then age; but half of the budget goes to whoever of the same priority has least
// left, so that short prompts pass long ones and no prompt stands still. When the first
// of them completes its prompt, those of tenants with more places wait for the next step, where `may_hold_back` says so. When cells do not suffice even with the cache
// evicted, sequences are parked until they do: those that are paused, then the youngest of the lowest priority; the oldest of the highest that is not never
// is. `running` is in order of arrival. Pure.
[[nodiscard]] BatchPlan plan_batch(const std::vector<RunningView>& running, const Budget& budget);

// How many cells may stay with the prefix cache alone while `decode_rows` sequences generate: a window's worth, and less
// with many rows. Every row of a decode call looks at the mask of every used cell, its own or not (measured: 1 us a cell
// and row for 24 layers of 14 heads), so idle prefixes slow down everybody. Pure.
// With copies outside the pool, which cost little to bring back, the bound is lower.
[[nodiscard]] std::int32_t idle_cell_limit(std::int32_t kv_cells, std::int32_t window, std::int32_t decode_rows, bool copies);

}  // namespace weft
