// The threads that compute one graph together, stage after stage.
//
// A stage is so many units of work, which members take one by one; when all of its units are done, the next stage begins. No member
// has to come to any stage: on a busy machine one that has no processor at the moment holds up the others only while it is in the
// middle of a unit.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "layout/fork_join.h"

namespace weft::kernels {

class Stages {
  public:
    // Threads: one, while no team is at work.
    void clear() { units_.clear(); }
    void add(int64_t units) { units_.push_back(units); }  // 1 at least
    [[nodiscard]] size_t size() const { return units_.size(); }

    // Runs work(thread, stage, unit) for every unit of every stage on up to `threads` threads, the caller's among them. What one
    // stage wrote the next ones see. Can throw std::bad_alloc before it begins.
    template <class Work>
    void run(int threads, const Work& work) {
        begin();
        fork_join(threads, [&](int thread, int) {
            for (Claim claim; next(claim);) {
                work(thread, claim.stage, claim.unit);
                done(claim);
            }
        });
    }

  private:
    struct Claim {
        size_t stage;
        int64_t unit;
    };
    struct alignas(64) State {
        std::atomic<int64_t> claimed, done;
    };
    static constexpr int spins = 1000;  // pauses before sleeping; 12 to 40 us

    void begin();
    // The next unit, when its stage has begun; false after the last stage.
    bool next(Claim& claim);
    void done(const Claim& claim);
    void wait_for_stage_after(uint32_t stage) const;

    std::vector<int64_t> units_;
    std::unique_ptr<State[]> states_;
    size_t room_ = 0;  // of states_
    alignas(64) std::atomic<uint32_t> now_ = 0;
};

// One of some equal shares of n things.
struct Part {
    int64_t index, count;
    [[nodiscard]] int64_t first(int64_t n) const { return index * n / count; }
    [[nodiscard]] int64_t end(int64_t n) const { return (index + 1) * n / count; }
};

}  // namespace weft::kernels
