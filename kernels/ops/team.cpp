#include "ops/team.h"

namespace weft::kernels {

void Stages::begin() {
    if (room_ < size()) {
        room_ = 0;
        states_ = std::make_unique<State[]>(size());
        room_ = size();
    }
    for (size_t i = 0; i < size(); ++i) {
        states_[i].claimed.store(0, std::memory_order_relaxed);
        states_[i].done.store(0, std::memory_order_relaxed);
    }
    now_.store(0, std::memory_order_relaxed);
}

bool Stages::next(Claim& claim) {
    for (uint32_t stage = now_.load(std::memory_order_acquire); stage < size(); stage = now_.load(std::memory_order_acquire)) {
        claim = {.stage = stage, .unit = states_[stage].claimed.fetch_add(1, std::memory_order_relaxed)};
        if (claim.unit < units_[stage]) return true;
        wait_for_stage_after(stage);
    }
    return false;
}

void Stages::done(const Claim& claim) {
    if (states_[claim.stage].done.fetch_add(1, std::memory_order_acq_rel) + 1 < units_[claim.stage]) return;
    now_.store(uint32_t(claim.stage) + 1, std::memory_order_release);
    now_.notify_all();
}

// Spins briefly, then sleeps: beside neighbours that compute, too, a spinning thread would take the time of the one it waits for.
// Sleeping is better than sched_yield() there: who wakes up goes first, who yields goes last.
void Stages::wait_for_stage_after(uint32_t stage) const {
    for (int i = 0; i < spins; ++i) {
        if (now_.load(std::memory_order_acquire) != stage) return;
        __builtin_ia32_pause();
    }
    // Looked at here once more: the library's own look is hidden from the thread sanitizer.
    while (now_.load(std::memory_order_acquire) == stage) now_.wait(stage, std::memory_order_relaxed);
}

}  // namespace weft::kernels
