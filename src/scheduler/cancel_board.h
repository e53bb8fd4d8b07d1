#pragma once

#include <cstdint>
#include <mutex>
#include <unordered_map>

namespace weft {

// Requests that wait or are worked on beside the step thread, and who of them was cancelled meanwhile. Holds no more than
// are inside. Thread: any; locks mutex_.
class CancelBoard {
  public:
    void enter(std::uint64_t id) {
        const std::lock_guard lock(mutex_);
        inside_.emplace(id, false);
    }

    // False when the request is not inside: somebody else has to cancel it.
    bool cancel(std::uint64_t id) {
        const std::lock_guard lock(mutex_);
        const auto found = inside_.find(id);
        if (found == inside_.end()) return false;
        found->second = true;
        return true;
    }

    [[nodiscard]] bool cancelled(std::uint64_t id) const {
        const std::lock_guard lock(mutex_);
        const auto found = inside_.find(id);
        return found != inside_.end() && found->second;
    }

    // Whether it was cancelled while it was inside.
    bool leave(std::uint64_t id) {
        const std::lock_guard lock(mutex_);
        const auto found = inside_.extract(id);
        return !found.empty() && found.mapped();
    }

  private:
    mutable std::mutex mutex_;  // guards inside_
    std::unordered_map<std::uint64_t, bool> inside_;
};

}  // namespace weft
