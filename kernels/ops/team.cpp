#include "ops/team.h"

#include "layout/fork_join.h"

namespace weft::kernels {

void Barrier::wait(int threads) {
    const uint32_t round = round_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads) {
        arrived_.store(0, std::memory_order_relaxed);
        round_.store(round + 1, std::memory_order_release);
        round_.notify_all();
        return;
    }
    for (int i = 0; i < spins; ++i) {
        if (round_.load(std::memory_order_acquire) != round) return;
        __builtin_ia32_pause();
    }
    // Looked at here once more: the library's own look is hidden from the thread sanitizer.
    while (round_.load(std::memory_order_acquire) == round) round_.wait(round, std::memory_order_relaxed);
}

void run_team(int threads, Barrier& barrier, void (*work)(void* context, const Member& member), void* context) {
    fork_join(threads, [&](int thread, int members) { work(context, {.thread = thread, .threads = members, .barrier = barrier}); });
}

}  // namespace weft::kernels
