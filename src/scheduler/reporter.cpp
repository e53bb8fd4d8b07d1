#include "scheduler/reporter.h"

#include <algorithm>
#include <utility>

#include "scheduler/queue_view.h"

namespace weft {
namespace {

Timings timings_of(const RequestState& request) {
    const auto ns = [](TimePoint from, TimePoint to) {
        return to > from ? static_cast<std::uint64_t>(std::chrono::nanoseconds(to - from).count()) : 1U;
    };
    const auto accepted = request.prepared->accepted_at;
    const auto planned = request.planned_at.value_or(accepted);
    const auto first = request.first_token_at.value_or(planned);
    return {.queue_ns = ns(accepted, planned), .prefill_ns = ns(planned, first), .decode_ns = ns(first, request.last_token_at)};
}

}  // namespace

void Reporter::emit(std::uint64_t id, GenerationEvent event) {
    frame_.events.push_back({.id = id, .event = std::move(event)});
}

void Reporter::flush() {
    if (frame_.events.empty()) return;
    sink_.send(std::exchange(frame_, {}));
}

void Reporter::refused_deadline(RequestState& request, const Error& error) {
    if (!request.failed) {
        ++meter.metrics.refused_deadlines;
        emit(request.id(), error);
    }
    request.failed = true;
}

void Reporter::choice_over(Sequence& sequence) {
    auto& request = *sequence.request;
    request.completion_tokens += sequence.generated();
    totals.completion_tokens += sequence.generated();
    if (!request.failed && sequence.error()) {
        request.failed = true;
        emit(request.id(), *sequence.error());
        request.cancelled = true;  // ends the other choices before the next plan
    }
    if (!request.failed && !request.cancelled && sequence.finish()) emit(request.id(), *sequence.finish());
    if (sequence.finish() && sequence.finish()->reason == FinishReason::length) request.ended_by_length = true;
}

void Reporter::request_over(RequestState& request) {
    meter.request(request, clock_.now());
    if (request.failed) return;
    if (request.cancelled) return emit(request.id(), Error{.code = ErrorCode::cancelled, .message = "the request was cancelled"});
    emit(request.id(), GenerationDone{.prompt_tokens = static_cast<std::uint32_t>(request.prepared->prompt.size()),
                                      .cached_tokens = request.cached_tokens,
                                      .completion_tokens = request.completion_tokens,
                                      .truncated = request.prepared->truncated,
                                      .timings = timings_of(request)});
}

bool Reporter::beat_is_due() const {
    return clock_.now() - last_beat_ >= beat_every_ || last_beat_ == TimePoint{};
}

void Reporter::beat(EngineHeartbeat heartbeat) {
    last_beat_ = clock_.now();
    sink_.heartbeat(heartbeat);
}

EngineHeartbeat Reporter::heartbeat(const std::vector<SequencePtr>& running, const WaitingQueue& waiting,
                                    const std::vector<std::size_t>& order, const KvPool& kv) const {
    std::vector<SequenceId> running_ids;
    for (const auto& sequence : running) running_ids.push_back(sequence->id);
    auto heartbeat = totals;
    heartbeat.running = static_cast<std::uint32_t>(running.size());
    heartbeat.waiting = static_cast<std::uint32_t>(waiting.size());
    heartbeat.kv_cells_used = static_cast<std::uint32_t>(kv.ledger().used_cells());
    heartbeat.queue = queue_view(running, waiting, order, clock_.now());
    auto& metrics = heartbeat.metrics = meter.metrics;
    metrics.parked_now = static_cast<std::uint32_t>(std::ranges::count_if(waiting, [](const auto& s) { return s->parked > 0; }));
    metrics.kv_cells_evictable = static_cast<std::uint32_t>(kv.evictable_cells(running_ids));
    metrics.cached_prefixes = static_cast<std::uint32_t>(kv.cache().size());
    metrics.restored_tokens = kv.restored_tokens();
    metrics.cache_evictions = kv.evictions();
    if (const auto* store = kv.spill_store()) {
        const auto stored = store->totals();
        metrics.cache_host_bytes = stored.host_bytes;
        metrics.cache_disk_bytes = stored.disk_bytes;
        metrics.spilled_blocks = stored.spilled_blocks;
        metrics.fetched_blocks = stored.fetched_blocks;
    }
    return heartbeat;
}

}  // namespace weft
