#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace weft {

// A few threads that help the step thread with the per-sequence work of one step: sampling, detokenizing, logprobs.
// Idle threads sleep. Thread: step.
class SamplerPool {
  public:
    // `helpers` threads beside the caller; 0 = everything runs on the caller.
    explicit SamplerPool(std::size_t helpers);
    ~SamplerPool();
    SamplerPool(const SamplerPool&) = delete;
    SamplerPool& operator=(const SamplerPool&) = delete;

    // Calls work(0) ... work(count - 1), in any order, on the caller and the helpers; returns when all are done.
    // work must not throw.
    void for_each(std::size_t count, const std::function<void(std::size_t)>& work);

  private:
    void help();
    void take_items();

    std::mutex mutex_;  // guards generation_, busy_, stopping_ and the publication of the job below
    std::condition_variable started_, finished_;
    std::uint64_t generation_ = 0;
    std::size_t busy_ = 0;
    bool stopping_ = false;
    const std::function<void(std::size_t)>* work_ = nullptr;
    std::size_t count_ = 0;
    std::atomic<std::size_t> next_{0};
    std::vector<std::jthread> helpers_;
};

}  // namespace weft
