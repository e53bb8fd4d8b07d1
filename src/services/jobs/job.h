#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "store/job_row.h"

namespace weft {

class SharedGeneration;

// A job as its readers see it: what is on disk, and what a running one has said so far. Only JobService changes it.
// Thread: io.
struct Job {
    explicit Job(JobRow what) : row(std::move(what)) {}

    JobRow row;                                         // its request is empty once it has been read
    std::shared_ptr<SharedGeneration> generation{};     // while it runs
    std::size_t kept_chunks = 0;                        // of the output, those that are in the store
    unsigned engine_failures = 0;
    std::chrono::steady_clock::time_point ending_since{};
    bool ending = false;                                // its end is on the way to the store; nothing is added any more

    // Of a job that this node does not run: the row is what the shared store said last.
    struct Elsewhere {
        std::size_t queue_position = 0;
        std::chrono::steady_clock::time_point asked_at{};
        bool asking = false;
        bool ask_again = false;
    };
    std::optional<Elsewhere> elsewhere{};

    // Called whenever something about it has changed; what they call must not wait.
    std::list<std::function<void()>> watchers{};
    void notify() const {
        const auto all = watchers;  // one of them may leave
        for (const auto& watcher : all) watcher();
    }
};

// Lets a coroutine wait for a job to change. One waiter each.
class JobWatch {
  public:
    JobWatch(std::shared_ptr<Job> job, boost::asio::any_io_executor io);
    ~JobWatch();
    JobWatch(const JobWatch&) = delete;
    JobWatch& operator=(const JobWatch&) = delete;

    // Until it changes, until wake(), or for that long.
    [[nodiscard]] boost::asio::awaitable<void> changed(std::chrono::milliseconds patience);
    void wake() { timer_.cancel(); }

  private:
    std::shared_ptr<Job> job_;
    boost::asio::steady_timer timer_;
    std::list<std::function<void()>>::iterator place_;
};

}  // namespace weft
