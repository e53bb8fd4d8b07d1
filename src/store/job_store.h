#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "store/job_row.h"

namespace weft {

// A job at one of its attempts. A write for an older attempt than the job's, or for a job that is finished, changes
// nothing: whoever was taken for dead cannot overwrite what came after.
struct JobMark {
    std::int64_t number = 0;
    std::uint32_t attempt = 0;
};

// A job to be accepted. With a key, a second one of the same tenant becomes the first one.
struct NewJob {
    JobRow row;
    std::string idempotency_key{};
    std::string body_hash{};
    std::int64_t key_expires_ms = 0;
};

struct AddedJob {
    std::int64_t number = 0;
    std::string existing_id{};  // of the job that has the key already; then nothing was added
    bool same_body = true;      // as that job's
    bool waits = false;         // it was to start at once, but others come first: it is pending
    std::size_t queue_position = 0;  // see FoundJob
};

struct JobEnd {
    JobStatus status = JobStatus::completed;
    ChunkedText output{};
    std::string thinking{};
    std::string tool_calls{};
    std::string error_code{};
    std::string error_message{};
    std::uint32_t prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0;
    std::int64_t finished_ms = 0;
    std::int64_t expires_ms = 0;
    bool callback_due = false;
    std::string sources{}, trace{}, error_stage{};  // see JobRow
    // What the conversation gained, in one step with the job's end.
    std::string session_id{};
    std::vector<SessionTurn> turns{};
};

// What becomes of the row of a job that ends.
inline void apply_end(JobRow& row, JobEnd end) {
    row.status = end.status;
    row.output = std::move(end.output);
    row.thinking = std::move(end.thinking);
    row.tool_calls = std::move(end.tool_calls);
    row.sources = std::move(end.sources);
    row.trace = std::move(end.trace);
    row.error_stage = std::move(end.error_stage);
    row.error_code = std::move(end.error_code);
    row.error_message = std::move(end.error_message);
    row.prompt_tokens = end.prompt_tokens;
    row.cached_tokens = end.cached_tokens;
    row.completion_tokens = end.completion_tokens;
    row.finished_ms = end.finished_ms;
    row.expires_ms = end.expires_ms;
}

struct FoundJob {
    std::optional<JobRow> row{};
    std::size_t first_chunk = 0;    // of the row's output: what was known already is left out
    std::size_t queue_position = 0; // of a pending job that any node may start; 0 else
    std::string expired_tenant{};  // whose it was, when it is no more because its time is over
    bool expired = false;
};

struct JobQuery {
    std::string tenant;
    std::optional<JobStatus> status{};
    std::string session_id{};
    std::string after_id{};  // older than that one
    std::size_t limit = 20;
    std::int64_t now_ms = INT64_MIN;  // jobs whose time is over by then are left out
};

// How many callbacks may be sent now. One tenant's receiver that does not answer leaves room for those of others.
struct CallbackRoom {
    std::size_t callbacks = 0;
    std::size_t of_tenant = 0;                        // with those under way
    std::map<std::int64_t, std::string> under_way{};  // whose, by the number of the job

    // Whether this one may be sent; if so, it is under way.
    bool take(std::int64_t number, const std::string& tenant) {
        if (callbacks == 0 || under_way.contains(number)) return false;
        if (static_cast<std::size_t>(std::ranges::count(under_way, tenant, &std::pair<const std::int64_t, std::string>::second)) >= of_tenant) return false;
        under_way.emplace(number, tenant);
        --callbacks;
        return true;
    }
};

struct KeyQuery {
    std::string tenant;
    std::string key;
    std::string body_hash;
    std::int64_t now_ms = 0;
};

class SharedJobs;

inline constexpr std::size_t max_page_bytes = 8 << 20;  // of texts; a page ends there even before its limit

struct JobPage {
    std::vector<JobRow> rows{};  // at least one if there is any
    bool has_more = false;
    std::vector<std::size_t> queue_positions{};  // of the rows, see FoundJob; empty where the store knows of none
};

// What must outlive the process: jobs, their keys, conversations. Writes are durable when `done` is called, and take
// effect in the order of the calls. Errors: storage_full, overloaded, internal. Every `done` is called once, later and on
// the owner's thread. Thread: io.
class JobStore {
  public:
    template <typename T>
    using Done = std::function<void(Result<T>)>;

    virtual ~JobStore() = default;

    virtual void add(NewJob job, Done<AddedJob> done) = 0;
    // pending or processing -> processing, with the mark's attempt, which must be new. False: the job is finished.
    virtual void start(JobMark mark, std::int64_t now_ms, Done<bool> done) = 0;
    // What a running job has said since the last time. Forgotten with the job's end, which says it all. How many chunks are
    // kept by then; fewer than before when some got lost on the way. conflict: the job is finished, or at a newer attempt.
    virtual void keep_text(JobMark mark, std::size_t first_chunk, ChunkedText more, Done<std::size_t> done) = 0;
    // To a final state. False: it is in one already, or at a newer attempt.
    virtual void finish(JobMark mark, JobEnd end, Done<bool> done) = 0;
    // A finished job. It is unknown from then on.
    virtual void remove(std::int64_t number, Done<bool> done) = 0;
    virtual void callback_tried(std::int64_t number, CallbackState state, std::uint32_t tries, std::int64_t next_ms, Done<void> done) = 0;

    // Rows come without their request.
    virtual void find(std::string id, Done<FoundJob> done) = 0;
    // Newest first. invalid_request when there is no job after_id.
    virtual void list(JobQuery query, Done<JobPage> done) = 0;
    // The job that has the idempotency key, as add() would find it.
    virtual void find_key(KeyQuery query, Done<std::optional<AddedJob>> done) = 0;
    virtual void load_request(std::int64_t number, Done<std::string> done) = 0;
    // Finished jobs whose callback is due by then, the longest due first. Nodes that share a store do not get the same one
    // for a while.
    virtual void due_callbacks(std::int64_t now_ms, CallbackRoom room, Done<std::vector<JobRow>> done) = 0;
    // Hands over what this process's predecessor left, oldest first, and says how many; none where nodes take over each
    // other's. Before anything else is asked; take() asks nothing.
    [[nodiscard]] virtual Result<std::size_t> take_up(const std::function<void(JobRow)>& take) = 0;
    // What an unfinished job said before the process ended.
    [[nodiscard]] virtual Result<ChunkedText> kept_text(JobMark mark) = 0;

    virtual void add_session(SessionRow session, Done<void> done) = 0;  // conflict when the id is taken
    virtual void find_session(std::string tenant, std::string id, Done<std::optional<SessionRow>> done) = 0;
    virtual void remove_session(std::string tenant, std::string id, Done<bool> done) = 0;

    // Forgets what is past its time, at most `limit` jobs at once; an id of an expired job is remembered until then. How
    // many of what there was most: with `limit`, there may be more. Conversations in use live on for their whole lifetime.
    virtual void expire(std::int64_t now_ms, std::int64_t remember_until_ms, std::size_t limit, Done<std::size_t> done) = 0;

    // Null: one process has the store for itself.
    [[nodiscard]] virtual SharedJobs* shared() { return nullptr; }
};

}  // namespace weft
