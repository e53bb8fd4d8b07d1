#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/histogram.h"

namespace weft {

// What the job service counted since the process began; gauges say so.
struct JobMetrics {
    std::size_t pending = 0, processing = 0;         // gauges: jobs that wait, and that run
    std::size_t waiting_bytes = 0;                   // gauges: of those that wait
    std::int64_t waiting_tokens = 0;
    std::size_t sockets = 0, streams = 0;            // gauges: open
    std::uint64_t submitted = 0;                     // accepted
    std::uint64_t from_cache = 0;                    // of those: answered at once
    std::uint64_t refused_key = 0, refused_server = 0, refused_storage = 0;  // 429, 503, 507
    std::uint64_t completed = 0, failed = 0, cancelled = 0;
    std::uint64_t restarted = 0;                     // attempts beyond the first
    std::uint64_t callbacks_delivered = 0, callbacks_failed = 0;             // tries
    Histogram queue_s{};                             // accepted until started for the first time
    Histogram run_s{};                               // from the last start to the end
};

}  // namespace weft
