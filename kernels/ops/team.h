// The threads that compute one graph together, and where they meet.
#pragma once

#include <atomic>
#include <cstdint>

namespace weft::kernels {

// Spins briefly, then sleeps until the last has arrived: beside neighbours that compute, too, a spinning thread would take the
// time of the one it waits for. Sleeping is better than sched_yield() there: who wakes up goes first, who yields goes last.
class Barrier {
  public:
    void wait(int threads);

  private:
    static constexpr int spins = 1000;  // pauses; 12 to 40 us
    alignas(64) std::atomic<int> arrived_ = 0;
    alignas(64) std::atomic<uint32_t> round_ = 0;
};

// What a member of the team knows.
struct Member {
    int thread, threads;
    Barrier& barrier;
    [[nodiscard]] bool first() const { return thread == 0; }
    void meet() const { barrier.wait(threads); }
};

// Runs work(context, member) on `threads` threads, see fork_join().
void run_team(int threads, Barrier& barrier, void (*work)(void* context, const Member& member), void* context);

}  // namespace weft::kernels
