#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/ollama_client.h"
#include "cli/terminal.h"

namespace weft::cli {

// What GET /api/v1/queue tells, as far as the table shows it.
struct TopSequence {
    std::uint64_t request = 0;
    std::uint32_t choice = 0;
    std::string state;
    std::uint32_t position = 0;
    std::int32_t priority = 0;
    std::string tenant;
    std::uint32_t prompt_tokens = 0, computed_tokens = 0, generated_tokens = 0;
    std::uint64_t age_ms = 0;
};
struct TopModel {
    std::string model;
    bool resident = true;
    bool ready = false;
    std::uint32_t awaiting_model = 0;
    std::uint32_t slots = 0, running = 0, waiting = 0, parked = 0, kv_cells = 0, kv_cells_used = 0, kv_cells_evictable = 0;
    std::uint64_t prefilled_tokens = 0, cached_tokens = 0, completion_tokens = 0, steps = 0;
    std::uint64_t cache_host_bytes = 0, cache_disk_bytes = 0;
    std::vector<TopSequence> sequences;
};

[[nodiscard]] Result<std::vector<TopModel>> parse_queue(const std::string& json);

// The models and below each its sequences, no more than `rows` of them. Rates are those since `before`, `seconds` ago;
// without one they are left out. Pure.
[[nodiscard]] std::string top_table(const std::vector<TopModel>& now, const std::vector<TopModel>& before, double seconds,
                                    std::size_t rows);

// Shows it once a second until Ctrl-C; once when `json` is asked for or standard output is no terminal.
[[nodiscard]] Result<void> show_top(OllamaClient& client, const Terminal& terminal, bool json);

}  // namespace weft::cli
