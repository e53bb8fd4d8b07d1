#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace weft {

// A bounded queue of values that belong to somebody: whoever waits is served in turn, each in the order of its values, so
// that a long queue of one keeps no other waiting. Thread: any; locks mutex_.
template <typename T>
class FairChannel {
  public:
    explicit FairChannel(std::size_t capacity) : capacity_(capacity) {}

    // False, and value untouched, when the channel is full or closed. Never waits.
    [[nodiscard]] bool try_push(const std::string& owner, T&& value) {
        {
            std::lock_guard lock(mutex_);
            if (closed_ || size_ >= capacity_) return false;
            lane_of(owner).values.push_back(std::move(value));
            ++size_;
        }
        filled_.notify_one();
        return true;
    }

    // What was taken and is not done yet: its owner's next one, when the others had their turn. Always fits.
    void put_back(const std::string& owner, T&& value) {
        {
            std::lock_guard lock(mutex_);
            lane_of(owner).values.push_front(std::move(value));
            ++size_;
        }
        filled_.notify_one();
    }

    // The next value and whose it is; waits for one. Empty as soon as the channel is closed.
    [[nodiscard]] std::optional<std::pair<std::string, T>> pop() {
        std::unique_lock lock(mutex_);
        filled_.wait(lock, [this] { return closed_ || size_ > 0; });
        if (closed_) return std::nullopt;
        auto& lane = lanes_.front();
        std::pair<std::string, T> next(lane.owner, std::move(lane.values.front()));
        lane.values.pop_front();
        --size_;
        if (lane.values.empty()) {
            by_owner_.erase(next.first);
            lanes_.pop_front();
        } else {
            lanes_.splice(lanes_.end(), lanes_, lanes_.begin());
        }
        return next;
    }

    // Nothing goes in or comes out any more.
    void close() {
        {
            std::lock_guard lock(mutex_);
            closed_ = true;
        }
        filled_.notify_all();
    }

  private:
    struct Lane {
        std::string owner;
        std::deque<T> values{};  // at least one
    };

    Lane& lane_of(const std::string& owner) {
        const auto [known, fresh] = by_owner_.try_emplace(owner, lanes_.end());
        if (fresh) known->second = lanes_.insert(lanes_.end(), Lane{.owner = owner});
        return *known->second;
    }

    const std::size_t capacity_;
    std::mutex mutex_;  // guards all that follows
    std::condition_variable filled_;
    std::list<Lane> lanes_;  // whose turn it is, first
    std::unordered_map<std::string, typename std::list<Lane>::iterator> by_owner_;
    std::size_t size_ = 0;
    bool closed_ = false;
};

}  // namespace weft
