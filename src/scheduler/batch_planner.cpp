#include "scheduler/batch_planner.h"

#include <algorithm>

namespace weft {
namespace {

// A newcomer must leave the running ones room for this many more tokens each, or it would be parked at once.
constexpr std::int32_t growth_cells = 8;

std::int32_t wanted_rows(const RunningView& view) { return view.paused ? 0 : view.pending; }

// Beyond this many rows, rows times idle cells stays the same.
constexpr std::int32_t rows_for_full_cache = 4;

}  // namespace

std::int32_t idle_cell_limit(std::int32_t kv_cells, std::int32_t window, std::int32_t decode_rows) {
    const auto share = std::int64_t{kv_cells} * rows_for_full_cache / std::max(rows_for_full_cache, decode_rows);
    return static_cast<std::int32_t>(std::min<std::int64_t>(window, share));
}

std::vector<std::size_t> plan_admission(const std::vector<RunningView>& running,
                                        const std::vector<WaitingView>& waiting, Budget budget) {
    std::vector<std::size_t> admitted;
    std::int32_t available = budget.free_cells + budget.evictable_cells;
    for (const auto& view : running) available -= view.pending + growth_cells;
    bool idle = running.empty();
    for (std::size_t i = 0; i < waiting.size() && budget.free_slots > 0; ++i) {
        const auto& view = waiting[i];
        if (view.deferred) continue;
        const std::int32_t needed = view.uncached_tokens + view.donor_cells + growth_cells;
        // A sequence alone may take all there is: the window never exceeds the pool.
        if (needed > available && !idle) break;
        admitted.push_back(i);
        available -= needed;
        --budget.free_slots;
        idle = false;
    }
    return admitted;
}

BatchPlan plan_batch(const std::vector<RunningView>& running, const Budget& budget) {
    BatchPlan plan;
    std::vector<bool> parked(running.size(), false);
    std::int32_t cells = budget.free_cells + budget.evictable_cells;

    // Cells for every decode row, by parking from the youngest end while they do not suffice.
    std::int32_t decoding = 0;
    for (const auto& view : running) decoding += !view.paused && view.decodes ? 1 : 0;
    const bool someone_starts = std::ranges::any_of(running, [](const auto& v) { return !v.decodes && !v.paused; });
    for (std::size_t i = running.size(); i-- > 1 && cells < std::max(decoding, someone_starts ? 1 : 0);) {
        parked[i] = true;
        plan.park.push_back(i);
        cells += running[i].parkable_cells;
        if (!running[i].paused && running[i].decodes) --decoding;
    }

    std::int32_t rows = budget.max_rows;
    std::int32_t outputs = budget.max_outputs;
    for (std::size_t i = 0; i < running.size(); ++i) {
        const auto& view = running[i];
        if (parked[i] || view.paused || !view.decodes) continue;
        if (rows == 0 || outputs == 0 || cells == 0) break;
        plan.slices.push_back({.running = i, .tokens = 1, .completes = true});
        ++plan.decode_rows;
        --rows, --outputs, --cells;
    }

    std::int32_t prefill = std::min(plan.decode_rows > 0 ? budget.prefill_tokens : budget.prefill_alone_tokens, rows);
    for (std::size_t i = 0; i < running.size() && prefill > 0; ++i) {
        const auto& view = running[i];
        if (parked[i] || view.decodes || wanted_rows(view) == 0) continue;
        std::int32_t tokens = std::min({view.pending, prefill, cells});
        if (view.scores_prompt) tokens = std::min(tokens, outputs);
        const bool completes = tokens == view.pending;
        // Without room for its logits the last token waits for the next step.
        if (completes && outputs == 0) --tokens;
        if (tokens <= 0) continue;
        plan.slices.push_back({.running = i, .tokens = tokens, .completes = completes && outputs > 0});
        outputs -= view.scores_prompt ? tokens : completes && outputs > 0 ? 1 : 0;
        plan.prefill_tokens += tokens;
        prefill -= tokens;
        cells -= tokens;
    }
    return plan;
}

}  // namespace weft
