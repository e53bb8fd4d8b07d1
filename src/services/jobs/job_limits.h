#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace weft {

// Every bound of the job service.
struct JobLimits {
    std::size_t waiting = 100'000;               // jobs that wait; one more is overloaded
    std::size_t waiting_bytes = 1ULL << 30;      // of their requests; beyond: overloaded
    std::int64_t waiting_tokens = 256'000'000;   // as estimated; beyond: overloaded
    std::size_t waiting_of_tenant = 50'000;      // one more of that tenant is rate_limited; see share_of_tenant() as well
    double submissions_per_second = 0;           // of one tenant, likewise; 0: as fast as it likes
    double submissions_at_once = 1000;           // ... after a pause
    std::size_t running = 64;                    // at once ...
    std::size_t running_of_tenant = 0;           // of those, at most that many of one tenant; 0: all of them
    std::size_t running_low = 16;                // ... and of those with low priority, so that interactive users do not feel them
    std::size_t sockets_of_tenant = 2048;        // open at once; one more is rate_limited
    std::size_t streams_of_tenant = 2048;        // likewise
    std::chrono::milliseconds lifetime{std::chrono::hours{24}};            // of a finished job
    std::chrono::milliseconds remembered{std::chrono::hours{24}};          // that there was a job whose time is over
    std::chrono::milliseconds idempotency{std::chrono::hours{24}};         // of an Idempotency-Key
    std::chrono::milliseconds session_lifetime{std::chrono::hours{24}};    // after its last turn, if a client names none
    std::size_t session_turns = 1000;            // a conversation that long takes no more ...
    std::size_t session_bytes = 64 << 20;        // ... nor does one of so much text and images
    std::size_t recent_bytes = 16 << 20;         // finished jobs that are kept in memory, too
    std::size_t answer_cache_bytes = 0;          // answers for later equal requests; 0: none
    std::size_t output_bytes = 16 << 20;         // text of one job; longer ones fail
    std::chrono::milliseconds keep_text_every{500};      // how much of a running job's text a crash may cost
    std::chrono::milliseconds retry_write_after{1000};   // an end that did not fit on the disk is tried again
    std::chrono::milliseconds retry_busy_after{250};     // the model's queue was full
    std::chrono::milliseconds expire_every{60'000};
    std::size_t expire_at_once = 1000;           // jobs, in one step of the store
    std::chrono::milliseconds share_every{1000};         // with a shared store: how often it is asked, beside when there is news
    unsigned engine_failures = 3;                // runs of one job that an engine's death may cost

    [[nodiscard]] constexpr std::size_t most_waiting_of_tenant() const;
};

// What of a bound on all that waits one tenant may take: half, so that none shuts out the others.
template <typename T>
[[nodiscard]] constexpr T share_of_tenant(T bound) {
    return bound - bound / 2;
}

constexpr std::size_t JobLimits::most_waiting_of_tenant() const { return std::min(waiting_of_tenant, share_of_tenant(waiting)); }

// Estimates of one job go no further, where the context window of its model is not known.
inline constexpr std::int64_t most_estimated_tokens = 1 << 20;

inline constexpr std::int32_t high_priority = -100;
inline constexpr std::int32_t normal_priority = 0;
inline constexpr std::int32_t low_priority = 100;

}  // namespace weft
