#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/histogram.h"
#include "store/sqlite.h"

namespace weft {

// Writes to one database from a thread of its own: whatever has gathered while one transaction was being committed goes
// into the next, so that many writes cost one fdatasync. They take effect in the order in which they were given.
class GroupCommit {
  public:
    // May run more than once (a transaction that fails is tried again write by write), so it must not use up what it holds.
    using Write = std::function<Result<void>(Database&)>;
    // How functions get back to the thread that owns everything else.
    using Deliver = std::function<void(std::function<void()>)>;
    using Done = std::function<void(Result<void>)>;

    // Since it began.
    struct Counts {
        std::uint64_t failed = 0;   // writes
        Histogram commit_s{};       // from the first write of a transaction to its end on disk
        Histogram writes{};         // of one transaction
    };
    [[nodiscard]] Counts counts() const;  // Thread: any; locks mutex_.

    static constexpr std::size_t max_waiting = 100'000;  // writes; one more fails with overloaded
    static constexpr std::size_t max_together = 4096;    // in one transaction

    GroupCommit(Database database, Deliver deliver);
    // Commits what is waiting; what would be delivered then may never arrive.
    ~GroupCommit();
    GroupCommit(const GroupCommit&) = delete;
    GroupCommit& operator=(const GroupCommit&) = delete;

    // done is delivered once the write is on disk, or has failed and left no trace. Thread: any; locks mutex_.
    void write(Write write, Done done);

  private:
    struct Entry {
        Write write;
        Done done;
        Result<void> outcome{};
    };

    void run();
    void commit(std::vector<Entry>& entries);
    [[nodiscard]] bool commit_together(std::vector<Entry>& entries);
    [[nodiscard]] Result<void> commit_alone(Entry& entry);

    Database database_;  // thread: the writer's
    Deliver deliver_;
    mutable std::mutex mutex_;  // guards waiting_, closing_, counts_
    std::condition_variable filled_;
    std::vector<Entry> waiting_;
    bool closing_ = false;
    Counts counts_;
    std::thread thread_;
};

}  // namespace weft
