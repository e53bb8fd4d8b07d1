#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "store/job_store.h"

namespace weft {

// How many jobs a node would start.
struct JobRoom {
    std::size_t jobs = 0;
    std::size_t low = 0;            // of those, with low priority,
    std::int32_t low_priority = 0;  // which is this one and larger ones
};

struct LeaseNews {
    std::vector<std::int64_t> lost{};       // numbers of jobs that are not this node's any more
    std::vector<std::int64_t> cancelled{};  // numbers of jobs that somebody asked another node to cancel
};

// Something has changed that this or another node did.
struct StoreNews {
    enum class Kind : std::uint8_t {
        changed,  // a job that somebody looked at: its text, its state
        cancel,   // whoever runs the job shall cancel it
        removed,  // the job is not there any more
        queue,    // there is something to claim
        back,     // the store can be reached (again); what was told meanwhile is lost
    };
    Kind kind = Kind::changed;
    std::string id{};  // of the job
};

// What a store that several nodes share can do beside JobStore. A pending job belongs to nobody. A node that starts one
// (by add, start or claim) has it on lease and renews that; when the lease is over, the job is pending again, and no write
// for that attempt is taken any more: the attempt is the fencing token. Conversations are busy while a job of theirs is
// processing; their other jobs are not claimed meanwhile. The store bounds what waits. Thread: io.
class SharedJobs {
  public:
    template <typename T>
    using Done = std::function<void(Result<T>)>;

    virtual ~SharedJobs() = default;

    [[nodiscard]] virtual std::chrono::milliseconds lease() const = 0;
    // Called on io whenever there is news. Once, before anything else.
    virtual void listen(std::function<void(const StoreNews&)> news) = 0;

    // Pending jobs whose turn it is, with their requests; they are processing from now on, at a new attempt.
    virtual void claim(JobRoom room, std::int64_t now_ms, Done<std::vector<JobRow>> done) = 0;
    virtual void renew(std::vector<JobMark> held, Done<LeaseNews> done) = 0;
    // They are pending again, for any node. Nobody is told whether it worked: if not, their lease will be over.
    virtual void release(std::vector<JobMark> held) = 0;
    // Jobs whose lease is over become pending; pending ones whose deadline has passed end with `late`. How many wait now.
    virtual void sweep(std::int64_t now_ms, JobEnd late, Done<std::size_t> done) = 0;

    // As find(), but of a running job only what follows that many chunks of that attempt. The node is told what changes,
    // for a while.
    virtual void look(std::string id, std::uint32_t attempt, std::size_t chunks, Done<FoundJob> done) = 0;
    // Ends a pending job. The node that runs one is asked to end it; should that node be gone, it ends with its lease.
    virtual void cancel(std::int64_t number, JobEnd end, Done<bool> done) = 0;  // false: it is finished already
};

}  // namespace weft
