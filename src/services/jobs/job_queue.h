#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "services/jobs/job.h"

namespace weft {

// The jobs that wait, and whose turn it is: smaller priority first, then in the order of acceptance; of one conversation
// only one at a time. A pure structure. Thread: io.
class JobQueue {
  public:
    void add(std::shared_ptr<Job> job);
    // False when it is not in here.
    bool remove(const Job& job);
    // The next one with a priority of at most that. Null: none may start now. The conversation of what is taken is busy
    // until release().
    [[nodiscard]] std::shared_ptr<Job> take(std::int32_t least_urgent);
    // A job that was taken, or claimed, has ended.
    void release(const Job& job);
    // For a job that does not have to wait at all: false when its conversation is busy.
    [[nodiscard]] bool claim(const JobRow& row);
    // Those that want the same answer, and wait no longer.
    [[nodiscard]] std::vector<std::shared_ptr<Job>> take_equal(const Job& job);

    // How many are before it, plus one. It waits.
    [[nodiscard]] std::size_t position(const Job& job) const;
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    [[nodiscard]] std::size_t size_of(const std::string& tenant) const;

  private:
    using Level = std::deque<std::shared_ptr<Job>>;

    void forget(const Job& job);

    std::map<std::int32_t, Level> levels_;                                 // each in the order of numbers
    std::unordered_map<std::string, Level> held_;                          // by busy conversation
    std::set<std::string> busy_;                                           // conversations
    std::unordered_map<std::string, std::size_t> tenants_;                 // how many of each wait
    std::unordered_map<std::string, std::vector<std::weak_ptr<Job>>> equal_;  // by request key
    std::size_t size_ = 0;
    std::size_t bytes_ = 0;  // of their requests
};

}  // namespace weft
