#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/histogram.h"

namespace weft {

// What one engine counted since its start; gauges say so.
struct EngineMetrics {
    Histogram ttft_s{};               // accepted until the first token
    Histogram itl_s{};                // between two tokens of a sequence
    Histogram queue_s{};              // accepted until the first token of it was planned
    Histogram prefill_s{};            // from there to the first sampled token
    Histogram decode_s{};             // from there to the last
    Histogram e2e_s{};                // accepted until the end
    Histogram prompt_tokens{};        // of a request ...
    Histogram generation_tokens{};    // ... all its choices together
    Histogram step_s{};               // one decode call
    Histogram step_rows{};            // rows of one decode call
    std::uint64_t finished_stop = 0, finished_length = 0, finished_cancelled = 0, finished_error = 0;  // requests
    std::uint64_t parked = 0;              // sequences that gave up their place
    std::uint64_t interrupted_steps = 0;   // decode calls ended by a cancel
    std::uint64_t refused_deadlines = 0;
    std::uint64_t guessed_tokens = 0, accepted_tokens = 0;  // speculation
    std::uint64_t draft_steps = 0;         // decode calls of the draft model
    std::uint64_t prefix_queries = 0;      // prompt tokens that were looked up ...
    std::uint64_t prefix_hits = 0;         // ... and found: shared, kept or copied back
    std::uint64_t restored_tokens = 0;     // of those: copied back from memory or disk
    std::uint64_t cache_evictions = 0;
    std::uint64_t spilled_blocks = 0, fetched_blocks = 0;
    std::uint32_t parked_now = 0;          // gauges from here on: waiting sequences that ran before
    std::uint32_t kv_cells_evictable = 0;  // used cells that only cached prefixes hold
    std::uint32_t cached_prefixes = 0;
    std::uint64_t cache_host_bytes = 0, cache_disk_bytes = 0;
};

enum class QueueState : std::uint8_t {
    waiting,   // for a slot or cells
    fetching,  // its prefix is being read from disk
    deferred,  // its prefix is being computed for another request right now
    parked,    // gave up its place, goes on later
    prefill,
    decode,
    paused,    // its client reads too slowly
};

inline constexpr std::size_t max_queue_entries = 128;  // of those that run, and as many of those that wait

// One sequence that runs or waits.
struct QueueEntry {
    std::uint64_t request = 0;         // the engine's number of it
    std::uint32_t choice = 0;
    QueueState state = QueueState::waiting;
    std::uint32_t position = 0;        // in the queue, from 1; 0 for those that run
    std::int32_t priority = 0;
    std::string tenant{};              // opaque
    std::string request_id{};          // as the client knows it
    std::uint32_t prompt_tokens = 0;
    std::uint32_t computed_tokens = 0; // in the KV cache
    std::uint32_t generated_tokens = 0;
    std::uint64_t age_ms = 0;          // since it was accepted
};

}  // namespace weft
