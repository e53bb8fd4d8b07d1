#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "services/jobs/job.h"

namespace weft {

// Finished jobs in memory, so that who asks again does not wait for the disk: least recently used ones go first.
// Thread: io.
class RecentJobs {
  public:
    explicit RecentJobs(std::size_t max_bytes) : max_bytes_(max_bytes) {}

    void put(std::shared_ptr<Job> job);
    // Null when it is not in here.
    [[nodiscard]] std::shared_ptr<Job> find(const std::string& id);
    void erase(const std::string& id);
    void clear();

  private:
    struct Entry {
        std::shared_ptr<Job> job;
        std::size_t bytes;
    };
    std::size_t max_bytes_;
    std::size_t bytes_ = 0;
    std::list<Entry> entries_;  // most recently used first
    std::unordered_map<std::string, std::list<Entry>::iterator> by_id_;
};

}  // namespace weft
