#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "services/chat/chat_service.h"
#include "services/chat/reply_delta.h"
#include "services/jobs/answer_cache.h"
#include "services/jobs/callback_sender.h"
#include "services/jobs/job.h"
#include "services/jobs/job_limits.h"
#include "services/jobs/job_metrics.h"
#include "services/jobs/job_queue.h"
#include "services/jobs/key_limits.h"
#include "services/jobs/recent_jobs.h"
#include "services/jobs/shared_generation.h"
#include "services/pending.h"
#include "services/pipelines/pipeline.h"
#include "store/shared_jobs.h"

namespace weft {

// What a client wants done, checked by its dialect.
struct JobRequest {
    std::string tenant{};
    std::string session_id{};        // empty: a new one
    std::string pipeline{};          // empty: its conversation's, else the default one
    std::string model{};
    bool names_model = true;         // false: that is only what the server chose, and a conversation's or pipeline's own model wins
    std::string request{};           // JSON, for PlanJob
    std::string request_key{};       // see JobRow; of all that decides about the answer but the model
    std::int64_t tokens = 0;         // likewise
    std::string metadata = "{}";
    std::int32_t priority = normal_priority;
    std::int64_t deadline_ms = 0;    // from now on; 0: none
    std::string callback_url{};
    std::string idempotency_key{};
    std::string body_hash{};
};

// What the service has to know of a model.
struct ModelFacts {
    bool known = true;                // the server has it
    std::string digest{};             // changes when its file does
    std::int64_t context_tokens = 0;  // 0: not known
};

struct SubmittedJob {
    std::shared_ptr<Job> job;
    bool created = true;    // false: the key named a job that is there already ...
    bool same_body = true;  // ... which asked for the same
};

// What a stored request means, and what it adds to its conversation.
struct JobPlan {
    ChatRequest request;
    std::vector<SessionTurn> own_turns{};
    std::vector<std::string> documents{};  // ids or names: where its pipeline looks; empty: wherever that says
};

// Requests that outlive their connection: stored before they are acknowledged, run by the chat service like any other,
// to be read while they run and afterwards, in exactly one final state each. What was unfinished when the process ended
// runs again from its start. With a store that several nodes share, any of them may run a job and all of them show it.
// Thread: io.
class JobService {
  public:
    // Reads a stored request again; session: the conversation that it goes on with, null when there is none.
    using PlanJob = std::function<Result<JobPlan>(const JobRow& row, const std::string& request, const SessionRow* session)>;
    using UnixTime = std::function<std::int64_t()>;  // milliseconds
    using LookAtModel = std::function<ModelFacts(const std::string& name)>;

    struct Parts {
        boost::asio::any_io_executor io;
        ChatService& chat;
        JobStore& store;
        CallbackSender& callbacks;
        PlanJob plan;
        UnixTime unix_ms;
        JobLimits limits{};
        Pipelines* pipelines = nullptr;  // null: none but the default one
        LookAtModel model = [](const std::string&) { return ModelFacts{}; };
    };
    explicit JobService(Parts parts);
    ~JobService();

    // Takes up what an earlier process left unfinished. Once, before anything else.
    [[nodiscard]] Result<void> recover();

    // The job is on disk when this returns. overloaded, rate_limited, storage_full, shutting_down, not_found for a
    // conversation that is not there, timeout for a deadline that cannot be met, too_large for what the queue can never take.
    [[nodiscard]] boost::asio::awaitable<Result<SubmittedJob>> submit(JobRequest request);
    // The job that was submitted with that Idempotency-Key, as submit() would find it: whatever is full or gone by now.
    [[nodiscard]] boost::asio::awaitable<Result<std::optional<SubmittedJob>>> find_submitted(std::string tenant, std::string idempotency_key, std::string body_hash);
    // not_found: unknown, or another tenant's; expired.
    [[nodiscard]] boost::asio::awaitable<Result<std::shared_ptr<Job>>> find(std::string tenant, std::string id);
    // With the queue_positions of all rows. invalid_request when there is no job after_id.
    [[nodiscard]] boost::asio::awaitable<Result<JobPage>> list(JobQuery query);
    // A live job ends as cancelled, which is on disk when this returns.
    [[nodiscard]] boost::asio::awaitable<Result<void>> cancel(std::shared_ptr<Job> job);
    // A finished one.
    [[nodiscard]] boost::asio::awaitable<Result<void>> remove(std::shared_ptr<Job> job);

    [[nodiscard]] boost::asio::awaitable<Result<SessionRow>> add_session(SessionRow session);
    [[nodiscard]] boost::asio::awaitable<Result<SessionRow>> find_session(std::string tenant, std::string id);
    [[nodiscard]] boost::asio::awaitable<Result<void>> remove_session(std::string tenant, std::string id);

    // 0 for a job that does not wait.
    [[nodiscard]] std::size_t queue_position(const Job& job) const;

    // Starts nothing any more; done is called when nothing runs or time_left is over. What is unfinished then stays so,
    // for the next process.
    void drain(std::chrono::milliseconds time_left, std::function<void()> done);
    [[nodiscard]] bool draining() const { return draining_; }

    struct Counts {
        std::size_t waiting = 0;  // for any node
        std::size_t running = 0;  // on this one
    };
    [[nodiscard]] Counts counts() const { return {.waiting = shared_ ? waiting_anywhere_ : queue_.size(), .running = running_}; }
    [[nodiscard]] JobMetrics metrics() const;

    // Of those who read over a socket or a stream of events: how many each tenant has open.
    [[nodiscard]] OpenCounts& sockets() { return sockets_; }
    [[nodiscard]] OpenCounts& streams() { return streams_; }

  private:
    using JobPtr = std::shared_ptr<Job>;
    using GenerationPtr = std::shared_ptr<SharedGeneration>;

    [[nodiscard]] Result<void> begin_submission(const JobRequest& request);
    [[nodiscard]] Result<void> check_size(const JobRequest& request) const;
    [[nodiscard]] Result<void> check_room(const JobRow& row) const;
    [[nodiscard]] Result<void> check_queue(const JobRow& row) const;
    Result<void> settle_model(JobRequest& request) const;
    [[nodiscard]] std::string key_of_model(const std::string& name) const;
    [[nodiscard]] bool has_cached_answer(JobRow& row);
    [[nodiscard]] bool is_over(const SessionRow& session) const;
    [[nodiscard]] boost::asio::awaitable<Result<NewJob>> prepare(JobRequest request);
    [[nodiscard]] boost::asio::awaitable<Result<AddedJob>> store_job(JobPtr job, NewJob added, bool has_place);
    [[nodiscard]] boost::asio::awaitable<Result<SubmittedJob>> submitted_before(std::string tenant, AddedJob found);
    void count_refusal(ErrorCode code);
    [[nodiscard]] boost::asio::awaitable<Result<bool>> go_on_with_session(JobRequest& request);
    [[nodiscard]] Result<void> settle_pipeline(JobRequest& request) const;
    [[nodiscard]] std::shared_ptr<Pipeline> pipeline_of(const std::string& name) const;
    [[nodiscard]] JobRow new_row(JobRequest& request, bool in_session) const;
    [[nodiscard]] bool may_start(std::int32_t priority) const;
    [[nodiscard]] bool take_place(JobRow& row);
    void give_place_back(const JobRow& row);
    void accept(JobPtr job, bool has_place);

    void start_next();
    void start(JobPtr job);
    void run(JobPtr job);
    void join(const JobPtr& job, const GenerationPtr& generation);
    void wait_again(const JobPtr& job);
    [[nodiscard]] GenerationPtr running_equal(const JobRow& row) const;

    [[nodiscard]] boost::asio::awaitable<void> generate(GenerationPtr generation, JobPtr first);
    [[nodiscard]] boost::asio::awaitable<Result<JobPlan>> plan_of(JobPtr job);
    [[nodiscard]] boost::asio::awaitable<Result<GenerationDone>> generate_once(GenerationPtr generation, JobPlan plan);
    // generate_once() with the stages of the job's pipeline around it; in job_stages.cpp.
    [[nodiscard]] boost::asio::awaitable<Result<GenerationDone>> run_stages(GenerationPtr generation, JobPlan plan, JobPtr first);
    [[nodiscard]] boost::asio::awaitable<Result<GenerationDone>> infer(GenerationPtr generation, JobPlan plan, std::shared_ptr<Pipeline> pipeline);
    void tell_held(SharedGeneration& generation, const PipelineAnswer& answer);
    [[nodiscard]] boost::asio::awaitable<bool> another_attempt(GenerationPtr generation);
    void add_reply(SharedGeneration& generation, ReplyDelta delta, std::uint32_t tokens);
    void keep_text(SharedGeneration& generation);
    void end_generation(const GenerationPtr& generation, const Result<GenerationDone>& outcome);

    void finish(const JobPtr& job, JobEnd end);
    void write_end(const JobPtr& job, std::shared_ptr<const JobEnd> end);
    void settle(const JobPtr& job, const JobEnd& end);
    void leave_generation(const JobPtr& job);
    void end_early(const JobPtr& job, JobStatus status, std::string code, std::string message);

    void watch_deadline(const JobPtr& job);
    void forget_deadline(const Job& job);
    void arm_deadlines();
    void expire_later(std::chrono::milliseconds patience);
    void send_callbacks_later(std::chrono::milliseconds patience);
    void send_callbacks();
    void send_callback(JobRow row);

    // With a shared store (job_sharing.cpp).
    void share();
    void share_later();
    void keep_sharing();
    void take_news(const StoreNews& news);
    void claim_more();
    void take_claimed(JobRow row);
    void wait_for_any_node(const JobPtr& job);
    void renew_leases();
    void renew(std::vector<JobMark> held);
    void hand_back();
    void lose(const JobPtr& job);
    void give_up(const JobPtr& job);
    void watch_elsewhere(const JobPtr& job);
    [[nodiscard]] JobPtr known_elsewhere(const std::string& id) const;
    [[nodiscard]] JobPtr job_elsewhere(FoundJob found);
    void ask(const JobPtr& job);
    void update(const JobPtr& job, FoundJob found);

    Parts parts_;
    SharedJobs* shared_;  // null: this process has the store for itself
    JobQueue queue_;
    RecentJobs recent_;
    AnswerCache answers_;
    SubmissionRate rate_;
    OpenCounts sockets_;
    OpenCounts streams_;
    JobMetrics metrics_;  // but for its gauges
    std::unordered_map<std::string, JobPtr> live_;                              // by id
    std::unordered_map<std::string, std::weak_ptr<SharedGeneration>> equal_;    // by tenant and key
    std::set<GenerationPtr> generations_;
    std::multimap<std::int64_t, std::weak_ptr<Job>> deadlines_;
    std::map<std::int64_t, std::string> sending_;  // whose callbacks are under way, by the number of the job
    std::set<std::int64_t> tried_meanwhile_;       // since the store was asked which are due
    bool asking_callbacks_ = false;
    bool ask_callbacks_again_ = false;
    boost::asio::steady_timer deadline_timer_;
    boost::asio::steady_timer expire_timer_;
    boost::asio::steady_timer callback_timer_;
    boost::asio::steady_timer drain_timer_;
    boost::asio::steady_timer share_timer_;
    std::unordered_map<std::string, std::weak_ptr<Job>> elsewhere_;  // by id, jobs that other nodes run or may run
    JobRoom claiming_{};                 // places kept for what is being claimed
    bool claim_again_ = false;
    std::size_t waiting_anywhere_ = 0;   // as the shared store said last
    std::chrono::steady_clock::time_point renewed_at_{};
    std::size_t running_ = 0;      // places taken
    std::size_t running_low_ = 0;  // of those, by jobs of low priority
    double mean_run_ms_ = 0;       // of recent jobs; 0: not known yet
    bool draining_ = false;
    std::function<void()> drained_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for callbacks that may come too late
};

}  // namespace weft
