#pragma once

#include <atomic>
#include <thread>

#include "base/assert.h"

namespace weft {

// Remembers the first thread that calls check() and asserts that all later calls come from the same one.
class ThreadChecker {
  public:
    void check() const {
        const auto self = std::this_thread::get_id();
        auto owner = owner_.load(std::memory_order_relaxed);
        if (owner == std::thread::id{} && owner_.compare_exchange_strong(owner, self)) return;
        assert_that(owner == self, "called from the thread that owns the object");
    }

  private:
    mutable std::atomic<std::thread::id> owner_{};
};

}  // namespace weft
