#pragma once

#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>

#include "store/sqlite.h"

namespace weft {

// Moves what was committed from SQLite's log into its file, on a thread and a connection of its own: done by the thread that
// commits, as SQLite does it by itself, it holds every commit up for tens of milliseconds now and then.
class Checkpointer {
  public:
    [[nodiscard]] static Result<std::unique_ptr<Checkpointer>> begin(const std::filesystem::path& file);
    ~Checkpointer();
    Checkpointer(const Checkpointer&) = delete;
    Checkpointer& operator=(const Checkpointer&) = delete;

    // From now on it looks after what that connection commits. Must live longer than its last commit.
    void serve(Database& writing);

  private:
    // Pages of 4 KiB in the log.
    static constexpr int begin_at = 1000;
    // The log begins anew only when all of it was moved, which commits in between keep from happening: then one waits.
    static constexpr int wait_at = 4000;

    explicit Checkpointer(Database database);
    void run();

    Database database_;  // thread: its own
    std::mutex mutex_;   // guards due_, closing_
    std::condition_variable told_;
    bool due_ = false, closing_ = false;
    std::thread thread_;
};

}  // namespace weft
