#include "scheduler/batch_planner.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace weft {
namespace {

// A newcomer must leave the running ones room for this many more tokens each, or it would be parked at once.
constexpr std::int32_t growth_cells = 8;

std::int32_t wanted_rows(const RunningView& view) { return view.paused ? 0 : view.pending; }

// Beyond this many rows, rows times idle cells stays the same.
constexpr std::int32_t rows_for_full_cache = 4;
// Of a prompt deep in its context, however much its tokens weigh: else it would hardly move.
constexpr std::int32_t smallest_chunk = 8;
// Copying a cell back takes about as long as ten rows take to look past it.
constexpr std::int32_t cells_beside_copies = 2048;

}  // namespace

std::int32_t idle_cell_limit(std::int32_t kv_cells, std::int32_t window, std::int32_t decode_rows, bool copies) {
    if (copies && decode_rows > 0) kv_cells = std::min(kv_cells, cells_beside_copies);
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

namespace {

// Running sequences as parking takes them: those that are paused, then the youngest of the lowest priority. The last one stays.
std::vector<std::size_t> parking_order(const std::vector<RunningView>& running) {
    std::vector<std::size_t> order(running.size());
    std::iota(order.rbegin(), order.rend(), 0U);
    std::ranges::stable_sort(order, std::ranges::greater{}, [&](std::size_t i) { return std::pair(running[i].paused, running[i].priority); });
    if (!order.empty()) order.pop_back();
    return order;
}

// Who prefills, in which order.
std::vector<std::size_t> prefill_order(const std::vector<RunningView>& running, const std::vector<bool>& parked) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < running.size(); ++i)
        if (!parked[i] && !running[i].decodes && wanted_rows(running[i]) > 0) order.push_back(i);
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return std::pair(running[i].priority, running[i].served); });
    return order;
}

// What is left of a step while it is filled.
struct Filling {
    const std::vector<RunningView>& running;
    BatchPlan& plan;
    std::int32_t rows, outputs, cells;

    // Adds tokens of this sequence's prompt that weigh up to `most`, at least `smallest_chunk` of them; what they weigh.
    std::int32_t prefill_weighing(std::size_t i, std::int32_t most) {
        const double weight = running[i].token_weight;
        const auto tokens = std::max(static_cast<std::int32_t>(most / weight), std::min(most, smallest_chunk));
        return static_cast<std::int32_t>(std::ceil(prefill(i, tokens) * weight));
    }

    // Adds up to `most` tokens of this sequence's prompt; how many it were.
    std::int32_t prefill(std::size_t i, std::int32_t most) {
        const auto& view = running[i];
        const auto slice = std::ranges::find(plan.slices, i, &Slice::running);
        const std::int32_t have = slice == plan.slices.end() ? 0 : slice->tokens;
        if (have > 0 && (slice->completes || view.chunk > 0)) return 0;
        const std::int32_t wanted = view.until_border > 0 ? std::min(view.until_border, view.pending) : view.pending;
        std::int32_t tokens = std::min({wanted - have, most, cells, rows});
        if (view.chunk > 0 && tokens < std::min(view.chunk, view.pending)) return 0;
        if (view.chunk > 0) tokens = std::min(view.chunk, view.pending);
        if (view.segment > 0) tokens = std::min(tokens, view.segment - have);
        if (view.scores_prompt) tokens = std::min(tokens, outputs);
        bool completes = have + tokens == view.pending;
        // Without room for its logits the last token waits for the next step.
        if (completes && outputs == 0) --tokens, completes = false;
        if (tokens <= 0) return 0;
        if (have > 0) slice->tokens += tokens, slice->completes = completes;
        else plan.slices.push_back({.running = i, .tokens = tokens, .completes = completes});
        outputs -= view.scores_prompt ? tokens : completes ? 1 : 0;
        plan.prefill_tokens += tokens;
        rows -= tokens;
        cells -= tokens;
        return tokens;
    }
};

// Deterministic mode: one sequence per call, so that a row never has company.
void plan_turn(Filling& filling, const std::vector<bool>& parked, std::uint64_t turn) {
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < filling.running.size(); ++i)
        if (!parked[i] && wanted_rows(filling.running[i]) > 0) ready.push_back(i);
    for (std::size_t n = 0; n < ready.size() && filling.plan.slices.empty(); ++n) {
        const auto i = ready[(turn + n) % ready.size()];
        if (!filling.running[i].decodes) (void)filling.prefill(i, filling.rows);
        else if (filling.cells > 0) filling.plan.slices.push_back({.running = i, .tokens = 1, .completes = true}), ++filling.plan.decode_rows;
    }
}

}  // namespace

BatchPlan plan_batch(const std::vector<RunningView>& running, const Budget& budget) {
    BatchPlan plan;
    std::vector<bool> parked(running.size(), false);
    std::int32_t cells = budget.free_cells + budget.evictable_cells;

    // Cells for every decode row, and for someone's prefill if nobody decodes.
    std::int32_t decoding = 0, starting = 0, chunk = 1;
    for (const auto& view : running) {
        if (view.paused) continue;
        ++(view.decodes ? decoding : starting);
        chunk = std::max(chunk, std::min(view.chunk, view.pending));
    }
    for (const auto i : parking_order(running)) {
        if (cells >= std::max(decoding, starting > 0 ? chunk : 0)) break;
        parked[i] = true;
        plan.park.push_back(i);
        cells += running[i].parkable_cells;
        if (!running[i].paused) --(running[i].decodes ? decoding : starting);
    }

    Filling filling{running, plan, budget.max_rows, budget.max_outputs, cells};
    if (budget.turn) {
        plan_turn(filling, parked, *budget.turn);
        return plan;
    }
    for (std::size_t i = 0; i < running.size(); ++i) {
        const auto& view = running[i];
        if (parked[i] || view.paused || !view.decodes) continue;
        if (filling.rows == 0 || filling.outputs == 0 || filling.cells == 0) break;
        plan.slices.push_back({.running = i, .tokens = 1, .completes = true});
        ++plan.decode_rows;
        --filling.rows, --filling.outputs, --filling.cells;
    }

    for (auto& slice : plan.slices) {
        const auto more = std::min({running[slice.running].guesses, filling.rows, filling.outputs, filling.cells});
        slice.tokens += more;
        plan.guessed_rows += more;
        filling.rows -= more, filling.outputs -= more, filling.cells -= more;
    }

    std::int32_t prefill = plan.decode_rows > 0 ? budget.prefill_tokens : budget.prefill_alone_tokens;
    const auto order = prefill_order(running, parked);
    if (order.empty()) return plan;
    const auto same_priority = std::ranges::count(order, running[order[0]].priority, [&](auto i) { return running[i].priority; });
    const auto shortest = *std::ranges::min_element(order.begin(), order.begin() + same_priority, {},
                                                    [&](std::size_t i) { return running[i].pending; });
    const auto& first = running[order[0]];
    const bool first_completes = first.segment == 0 && first.pending * first.token_weight <= prefill && first.pending <= std::min(filling.rows, filling.cells);
    const bool holds_back = budget.may_hold_back && first_completes;
    if (shortest != order[0] && !(holds_back && running[shortest].places > running[order[0]].places))
        prefill -= filling.prefill_weighing(shortest, prefill / 2);
    for (const auto i : order) {
        if (prefill <= 0) break;
        if (holds_back && running[i].places > running[order[0]].places) plan.holds_back = true;
        else prefill -= filling.prefill_weighing(i, prefill);
    }
    return plan;
}

}  // namespace weft
