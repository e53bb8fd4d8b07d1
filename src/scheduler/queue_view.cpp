#include "scheduler/queue_view.h"

#include <algorithm>

namespace weft {
namespace {

QueueEntry entry_of(const Sequence& sequence, TimePoint now) {
    const auto& request = *sequence.request;
    const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now - request.prepared->accepted_at);
    return {.request = request.id(),
            .choice = sequence.choice,
            .priority = request.request().priority,
            .tenant = request.request().tenant,
            .request_id = request.request().request_id,
            .prompt_tokens = static_cast<std::uint32_t>(request.prepared->prompt.size()),
            .computed_tokens = static_cast<std::uint32_t>(sequence.computed),
            .generated_tokens = sequence.generated(),
            .age_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(age.count(), 0))};
}

QueueState waiting_state(const Sequence& sequence) {
    if (sequence.parked > 0) return QueueState::parked;
    if (sequence.fetching && !*sequence.fetching) return QueueState::fetching;
    return sequence.deferred ? QueueState::deferred : QueueState::waiting;
}

}  // namespace

std::vector<QueueEntry> queue_view(const std::vector<std::unique_ptr<Sequence>>& running,
                                   const WaitingQueue& waiting,
                                   const std::vector<std::size_t>& order, TimePoint now) {
    std::vector<QueueEntry> entries;
    for (const auto& sequence : running) {
        if (entries.size() == max_queue_entries) break;
        entries.push_back(entry_of(*sequence, now));
        entries.back().state = sequence->request->paused ? QueueState::paused
                               : sequence->decodes()     ? QueueState::decode
                                                         : QueueState::prefill;
    }
    std::uint32_t position = 0;
    for (const auto i : order) {
        if (position == max_queue_entries) break;
        entries.push_back(entry_of(waiting[i], now));
        entries.back().state = waiting_state(waiting[i]);
        entries.back().position = ++position;
    }
    return entries;
}

}  // namespace weft
