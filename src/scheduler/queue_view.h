#pragma once

#include <memory>
#include <vector>

#include "base/clock.h"
#include "runner/engine_metrics.h"
#include "scheduler/waiting_queue.h"

namespace weft {

// Who runs and who waits for what, as it is told outside: no more than max_queue_entries of each. `order` holds indices
// into `waiting`, first who starts next. Pure.
[[nodiscard]] std::vector<QueueEntry> queue_view(const std::vector<std::unique_ptr<Sequence>>& running,
                                                 const WaitingQueue& waiting,
                                                 const std::vector<std::size_t>& order, TimePoint now);

}  // namespace weft
