#include "services/jobs/job_service.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "services/jobs/ids.h"
#include "services/jobs/note_stages.h"

namespace weft {
namespace asio = boost::asio;
namespace {

constexpr std::int64_t retry_after_ms = 5000;

std::unexpected<Error> unknown_job() { return fail_field(ErrorCode::not_found, "request_id", "there is no such job"); }

std::unexpected<Error> busy(ErrorCode code, std::string message, std::int64_t wait_ms = retry_after_ms) {
    return std::unexpected(Error{.code = code, .message = std::move(message), .retry_after_s = static_cast<int>((wait_ms + 999) / 1000)});
}

std::size_t or_all(std::size_t limit) { return limit == 0 ? SIZE_MAX : limit; }

}  // namespace

JobService::JobService(Parts parts)
    : parts_(std::move(parts)),
      shared_(parts_.store.shared()),
      queue_(or_all(parts_.limits.running_of_tenant)),
      recent_(parts_.limits.recent_bytes),
      answers_(parts_.limits.answer_cache_bytes),
      rate_(parts_.limits.submissions_per_second, parts_.limits.submissions_at_once),
      sockets_(parts_.limits.sockets_of_tenant),
      streams_(parts_.limits.streams_of_tenant),
      deadline_timer_(parts_.io),
      expire_timer_(parts_.io),
      callback_timer_(parts_.io),
      drain_timer_(parts_.io),
      share_timer_(parts_.io) {}

JobService::~JobService() {
    *alive_ = false;
    for (const auto& generation : generations_) generation->abandon();
    // Jobs and generations hold each other.
    for (const auto& generation : generations_) generation->jobs.clear();
    for (const auto& [id, job] : live_) job->generation.reset();
}

// ---- what an earlier process left ---------------------------------------------------------------------------------------

Result<void> JobService::recover() {
    const auto now = parts_.unix_ms();
    std::vector<JobPtr> late;
    WEFT_TRY(const auto taken, parts_.store.take_up([this, now, &late](JobRow row) {
        auto job = std::make_shared<Job>(std::move(row));
        live_[job->row.id] = job;
        if (job->row.deadline_ms != 0 && job->row.deadline_ms <= now) return late.push_back(std::move(job));
        job->row.status = JobStatus::pending;
        job->row.started_ms = 0;
        watch_deadline(job);
        queue_.add(std::move(job));
    }));
    for (const auto& job : late) {
        WEFT_TRY(job->row.output, parts_.store.kept_text({.number = job->row.number, .attempt = job->row.attempt}));
        end_early(job, JobStatus::failed, "deadline_exceeded", "the deadline passed while the server was away");
    }
    if (taken > 0) log_info("jobs_taken_up", {{"unfinished", taken}});
    expire_later(parts_.limits.expire_every);
    send_callbacks_later(std::chrono::milliseconds{0});
    if (shared_) share();
    start_next();
    return {};
}

// ---- submitting ---------------------------------------------------------------------------------------------------------

Result<void> JobService::begin_submission(const JobRequest& request) {
    if (draining_) return fail(ErrorCode::shutting_down, "the server is shutting down");
    if (shared_) return {};  // the store bounds what comes to all nodes
    const auto wait_ms = rate_.take(request.tenant, parts_.unix_ms());
    if (wait_ms == 0) return {};
    return busy(ErrorCode::rate_limited, "you submit more jobs a second than you may", wait_ms);
}

// Waiting would not help.
Result<void> JobService::check_size(const JobRequest& request) const {
    if (request.request.size() > parts_.limits.waiting_bytes || request.tokens > parts_.limits.waiting_tokens)
        return fail(ErrorCode::too_large, "the job is larger than all that may wait together");
    return {};
}

// Of a job that has to wait.
Result<void> JobService::check_room(const JobRow& row) const {
    if (draining_) return fail(ErrorCode::shutting_down, "the server is shutting down");
    if (!shared_) WEFT_CHECK(check_queue(row));  // a shared store bounds what waits on all nodes
    if (row.deadline_ms == 0 || mean_run_ms_ == 0) return {};
    const auto rounds = counts().waiting / std::max<std::size_t>(1, parts_.limits.running);
    if (mean_run_ms_ * static_cast<double>(rounds) > static_cast<double>(row.deadline_ms - row.created_ms))
        return std::unexpected(Error{.code = ErrorCode::timeout,
                                     .message = "the jobs that are waiting already take longer than deadline_ms",
                                     .field = "deadline_ms"});
    return {};
}

// A tenant's share does not keep a single large job out.
Result<void> JobService::check_queue(const JobRow& row) const {
    const auto& limits = parts_.limits;
    const auto one = JobQueue::load_of(row);
    const auto own = queue_.load_of(row.tenant);
    if (own.jobs >= limits.most_waiting_of_tenant() ||
        (own.jobs > 0 && (own.bytes + one.bytes > share_of_tenant(limits.waiting_bytes) ||
                          own.tokens + one.tokens > share_of_tenant(limits.waiting_tokens))))
        return busy(ErrorCode::rate_limited, "too many of your jobs are waiting already");
    const auto& all = queue_.load();
    if (all.jobs >= limits.waiting || all.bytes + static_cast<std::size_t>(row.request_bytes) > limits.waiting_bytes ||
        all.tokens + one.tokens > limits.waiting_tokens)
        return busy(ErrorCode::overloaded, "too many jobs are waiting");
    return {};
}

std::string JobService::key_of_model(const std::string& name) const { return " " + name + " " + parts_.model(name).digest; }

// Once it is certain which one it is.
Result<void> JobService::settle_model(JobRequest& request) const {
    const auto facts = parts_.model(request.model);
    if (!facts.known) return fail_field(ErrorCode::not_found, "model", "the server has no model \"" + request.model + "\"");
    const auto context = facts.context_tokens;
    request.tokens = std::min(request.tokens, context > 0 ? context : most_estimated_tokens);
    if (!request.request_key.empty()) request.request_key += key_of_model(request.model);
    return {};
}

// Conversations that unfinished jobs go on with do not expire.
bool JobService::is_over(const SessionRow& session) const { return !session.in_use && session.expires_ms <= parts_.unix_ms(); }

// Whether the session is a conversation; it must have room for one more turn, and may bring its model.
asio::awaitable<Result<bool>> JobService::go_on_with_session(JobRequest& request) {
    if (request.session_id.empty()) co_return false;
    const Pending<std::optional<SessionRow>> found(parts_.io);
    parts_.store.find_session(request.tenant, request.session_id, found.setter());
    auto session = co_await found.wait();
    if (!session) co_return std::unexpected(std::move(session).error());
    if (!*session || is_over(**session)) co_return false;
    if ((*session)->turns.size() >= parts_.limits.session_turns)
        co_return fail_field(ErrorCode::conflict, "session_id",
                             "the session has " + std::to_string(parts_.limits.session_turns) + " turns, which is as long as one may be");
    std::size_t bytes = request.request.size();
    for (const auto& turn : (*session)->turns) bytes += turn.content.size() + turn.message.size();
    if (bytes > parts_.limits.session_bytes)
        co_return fail_field(ErrorCode::too_large, "session_id",
                             "the session has more than " + std::to_string(parts_.limits.session_bytes) + " bytes with this request");
    if (!request.names_model && !(*session)->model.empty()) {
        request.model = (*session)->model;
        request.names_model = true;
    }
    if (request.pipeline.empty()) request.pipeline = (*session)->pipeline;
    co_return true;
}

JobRow JobService::new_row(JobRequest& request, bool conversation) const {
    const auto now = parts_.unix_ms();
    const auto bytes = static_cast<std::int64_t>(request.request.size());
    return {.id = random_uuid(),
            .tenant = request.tenant,
            .session_id = request.session_id.empty() ? random_uuid() : std::move(request.session_id),
            .in_session = conversation,
            .model = std::move(request.model),
            .request = std::move(request.request),
            .request_bytes = bytes,
            .tokens = request.tokens,
            .request_key = conversation ? std::string() : std::move(request.request_key),
            .metadata = std::move(request.metadata),
            .priority = request.priority,
            .created_ms = now,
            .deadline_ms = request.deadline_ms == 0 ? 0 : now + request.deadline_ms,
            .callback_url = std::move(request.callback_url),
            .pipeline = std::move(request.pipeline)};
}

bool JobService::may_start(std::int32_t priority) const {
    return !draining_ && running_ + claiming_.jobs < parts_.limits.running &&
           (priority < low_priority || running_low_ + claiming_.low < parts_.limits.running_low);
}

// A job that need not wait is stored as running at once, which saves a write.
bool JobService::take_place(JobRow& row) {
    // A shared store knows itself who comes first, on any node.
    if (queue_.size() > 0 || !may_start(row.priority) || (!shared_ && !queue_.claim(row))) return false;
    ++running_;
    if (row.priority >= low_priority) ++running_low_;
    row.status = JobStatus::processing;
    row.attempt = 1;
    row.started_ms = row.created_ms;
    return true;
}

void JobService::give_place_back(const JobRow& row) {
    --running_;
    if (row.priority >= low_priority) --running_low_;
    if (!shared_) queue_.release(row);
    start_next();
}

asio::awaitable<Result<SubmittedJob>> JobService::submit(JobRequest request) {
    const auto tenant = request.tenant;
    auto open = begin_submission(request);
    if (!open) {
        count_refusal(open.error().code);
        co_return std::unexpected(std::move(open).error());
    }
    auto added = co_await prepare(std::move(request));
    if (!added) co_return std::unexpected(std::move(added).error());
    // From here on to the store nothing else runs: what was found free is taken.
    const bool cached = has_cached_answer(added->row);
    const bool has_place = !cached && take_place(added->row);
    auto room = cached || has_place ? Result<void>{} : check_room(added->row);
    if (!room) {
        rate_.give_back(tenant);
        count_refusal(room.error().code);
        co_return std::unexpected(std::move(room).error());
    }
    const auto job = std::make_shared<Job>(added->row);
    auto outcome = co_await store_job(job, std::move(*added), has_place);
    if (!outcome) {
        count_refusal(outcome.error().code);
        co_return std::unexpected(std::move(outcome).error());
    }
    if (outcome->existing_id.empty()) co_return SubmittedJob{.job = job};
    co_return co_await submitted_before(tenant, std::move(*outcome));
}

asio::awaitable<Result<NewJob>> JobService::prepare(JobRequest request) {
    const auto conversation = co_await go_on_with_session(request);
    if (!conversation) co_return std::unexpected(conversation.error());
    if (auto settled = settle_pipeline(request); !settled) co_return std::unexpected(std::move(settled).error());
    if (auto settled = settle_model(request); !settled) co_return std::unexpected(std::move(settled).error());
    if (auto fits = check_size(request); !fits) co_return std::unexpected(std::move(fits).error());
    NewJob added{.idempotency_key = request.idempotency_key, .body_hash = request.body_hash};
    added.row = new_row(request, *conversation);
    added.key_expires_ms = added.row.created_ms + parts_.limits.idempotency.count();
    co_return added;
}

// Then it is finished before it begins.
bool JobService::has_cached_answer(JobRow& row) {
    const auto answer = answers_.find(row.tenant, row.request_key);
    if (!answer) return false;
    row.status = JobStatus::completed;
    row.attempt = 1;
    row.started_ms = row.finished_ms = row.created_ms;
    row.expires_ms = row.created_ms + parts_.limits.lifetime.count();
    row.output = answer->output;
    row.thinking = answer->thinking;
    row.tool_calls = answer->tool_calls;
    row.prompt_tokens = row.cached_tokens = answer->prompt_tokens;
    row.completion_tokens = answer->completion_tokens;
    row.from_cache = true;
    if (!row.callback_url.empty()) {
        row.callback_state = CallbackState::due;
        row.callback_ms = row.created_ms;
    }
    return true;
}

// Whoever comes next must find the job, so it is known before who waits for this goes on.
asio::awaitable<Result<AddedJob>> JobService::store_job(JobPtr job, NewJob added, bool has_place) {
    const bool expected = !shared_ && job->row.status == JobStatus::pending;
    if (expected) queue_.expect(job->row);
    const Pending<AddedJob> stored(parts_.io);
    parts_.store.add(std::move(added), [this, alive = alive_, job, has_place, expected, answer = stored.setter()](Result<AddedJob> outcome) {
        if (!*alive) return;
        if (expected) queue_.forget_expected(job->row);
        if (outcome && outcome->existing_id.empty()) {
            job->row.number = outcome->number;
            if (shared_ && (outcome->waits || job->row.status == JobStatus::pending)) {
                ++metrics_.submitted;
                wait_for_any_node(job);
                job->elsewhere->queue_position = outcome->queue_position;
                if (has_place) give_place_back(job->row);
            } else {
                accept(job, has_place);
            }
        } else if (has_place) {
            give_place_back(job->row);
        }
        answer(std::move(outcome));
    });
    co_return co_await stored.wait();
}

asio::awaitable<Result<SubmittedJob>> JobService::submitted_before(std::string tenant, AddedJob found) {
    auto existing = co_await find(std::move(tenant), found.existing_id);
    if (!existing) co_return std::unexpected(std::move(existing).error());
    co_return SubmittedJob{.job = std::move(*existing), .created = false, .same_body = found.same_body};
}

asio::awaitable<Result<std::optional<SubmittedJob>>> JobService::find_submitted(std::string tenant, std::string idempotency_key, std::string body_hash) {
    const Pending<std::optional<AddedJob>> pending(parts_.io);
    parts_.store.find_key({.tenant = tenant, .key = std::move(idempotency_key), .body_hash = std::move(body_hash), .now_ms = parts_.unix_ms()}, pending.setter());
    auto found = co_await pending.wait();
    if (!found) co_return std::unexpected(std::move(found).error());
    if (!*found) co_return std::optional<SubmittedJob>{};
    auto job = co_await submitted_before(std::move(tenant), std::move(**found));
    if (!job) co_return std::unexpected(std::move(job).error());
    co_return std::move(*job);
}

void JobService::count_refusal(ErrorCode code) {
    if (code == ErrorCode::rate_limited) ++metrics_.refused_key;
    else if (code == ErrorCode::storage_full) ++metrics_.refused_storage;
    else if (code == ErrorCode::overloaded || code == ErrorCode::shutting_down) ++metrics_.refused_server;
}

void JobService::accept(JobPtr job, bool has_place) {
    ++metrics_.submitted;
    metrics_.from_cache += job->row.from_cache ? 1 : 0;
    if (is_final(job->row.status)) {
        if (job->row.callback_state == CallbackState::due) send_callbacks_later(std::chrono::milliseconds{0});
        return recent_.put(std::move(job));
    }
    live_[job->row.id] = job;
    watch_deadline(job);
    if (has_place) return run(std::move(job));
    if (!running_equal(job->row)) {
        queue_.add(std::move(job));
        return start_next();
    }
    // Who wants what is being generated already needs no place.
    const auto now = parts_.unix_ms();
    parts_.store.start({.number = job->row.number, .attempt = ++job->row.attempt}, now, [this, alive = alive_, job, now](const Result<bool>& started) {
        if (!*alive || job->ending) return;
        const auto generation = running_equal(job->row);
        if (!started || !*started || !generation) return wait_again(job);
        job->row.started_ms = now;
        join(job, generation);
    });
}

// ---- reading ------------------------------------------------------------------------------------------------------------

asio::awaitable<Result<std::shared_ptr<Job>>> JobService::find(std::string tenant, std::string id) {
    JobPtr job;
    const auto recent = recent_.find(id);
    if (const auto live = live_.find(id); live != live_.end()) job = live->second;
    else if (!shared_) job = recent;
    if (!job) {
        const Pending<FoundJob> pending(parts_.io);
        parts_.store.find(id, pending.setter());
        auto found = co_await pending.wait();
        // Another node may have removed what was finished, so the store is asked first, as long as it answers.
        if (!found && recent && recent->row.tenant == tenant && recent->row.expires_ms > parts_.unix_ms()) co_return recent;
        if (!found) co_return std::unexpected(std::move(found).error());
        if (found->expired && found->expired_tenant == tenant)
            co_return fail_field(ErrorCode::expired, "request_id", "the job was finished so long ago that it is not kept any more");
        if (!found->row) co_return unknown_job();
        // What is not finished is in live_, which may have learnt of it meanwhile.
        if (const auto live = live_.find(id); live != live_.end()) {
            job = live->second;
        } else if (shared_ && (known_elsewhere(id) || !is_final(found->row->status))) {
            job = job_elsewhere(std::move(*found));
        } else {
            job = std::make_shared<Job>(std::move(*found->row));
            if (is_final(job->row.status)) recent_.put(job);
        }
    }
    if (job->row.tenant != tenant) co_return unknown_job();
    if (is_final(job->row.status) && job->row.expires_ms <= parts_.unix_ms())
        co_return fail_field(ErrorCode::expired, "request_id", "the job was finished so long ago that it is not kept any more");
    co_return job;
}

// The disk does not know how far a running job has come; a page shows it nevertheless.
asio::awaitable<Result<JobPage>> JobService::list(JobQuery query) {
    query.now_ms = parts_.unix_ms();
    const Pending<JobPage> pending(parts_.io);
    parts_.store.list(std::move(query), pending.setter());
    auto page = co_await pending.wait();
    if (!page) co_return std::unexpected(std::move(page).error());
    page->queue_positions.resize(page->rows.size());
    for (std::size_t i = 0; i < page->rows.size(); ++i) {
        const auto live = live_.find(page->rows[i].id);
        if (live == live_.end()) continue;
        page->rows[i] = live->second->row;
        page->queue_positions[i] = queue_position(*live->second);
    }
    co_return page;
}

std::size_t JobService::queue_position(const Job& job) const {
    if (job.row.status != JobStatus::pending) return 0;
    return job.elsewhere ? job.elsewhere->queue_position : queue_.position(job);
}

// ---- ending early -------------------------------------------------------------------------------------------------------

asio::awaitable<Result<void>> JobService::cancel(std::shared_ptr<Job> job) {
    if (!is_final(job->row.status) && job->elsewhere) {
        const auto now = parts_.unix_ms();
        const Pending<bool> pending(parts_.io);
        shared_->cancel(job->row.number, {.status = JobStatus::cancelled, .error_code = "cancelled", .error_message = "the job was cancelled",
                                          .finished_ms = now, .expires_ms = now + parts_.limits.lifetime.count()}, pending.setter());
        const auto asked = co_await pending.wait();
        if (!asked) co_return std::unexpected(asked.error());
    } else if (!is_final(job->row.status)) {
        end_early(job, JobStatus::cancelled, "cancelled", "the job was cancelled");
    }
    while (!is_final(job->row.status)) {
        if (job->elsewhere) ask(job);
        JobWatch watch(job, parts_.io);
        co_await watch.changed(parts_.limits.retry_write_after);
    }
    co_return Result<void>{};
}

asio::awaitable<Result<void>> JobService::remove(std::shared_ptr<Job> job) {
    const Pending<bool> pending(parts_.io);
    parts_.store.remove(job->row.number, pending.setter());
    const auto removed = co_await pending.wait();
    if (!removed) co_return std::unexpected(removed.error());
    recent_.erase(job->row.id);
    if (!*removed) co_return unknown_job();
    co_return Result<void>{};
}

void JobService::end_early(const JobPtr& job, JobStatus status, std::string code, std::string message) {
    if (job->ending) return;
    queue_.remove(*job);
    JobEnd end{.status = status, .output = job->row.output, .thinking = job->row.thinking, .error_code = std::move(code), .error_message = std::move(message),
               .prompt_tokens = job->row.prompt_tokens, .completion_tokens = job->row.completion_tokens};
    if (job->generation) note_stages(job->generation->record.get(), end);
    if (job->generation) leave_generation(job);
    finish(job, std::move(end));
}

void JobService::watch_deadline(const JobPtr& job) {
    if (job->row.deadline_ms == 0) return;
    deadlines_.emplace(job->row.deadline_ms, job);
    arm_deadlines();
}

void JobService::forget_deadline(const Job& job) {
    const auto [first, last] = deadlines_.equal_range(job.row.deadline_ms);
    for (auto entry = first; entry != last; ++entry)
        if (entry->second.lock().get() == &job) return void(deadlines_.erase(entry));
}

void JobService::arm_deadlines() {
    if (deadlines_.empty()) return;
    const auto left = deadlines_.begin()->first - parts_.unix_ms();
    deadline_timer_.expires_after(std::chrono::milliseconds(std::max<std::int64_t>(0, left)));
    deadline_timer_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
        if (error || !*alive) return;
        const auto now = parts_.unix_ms();
        while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
            const auto job = deadlines_.begin()->second.lock();
            deadlines_.erase(deadlines_.begin());
            if (job && !is_final(job->row.status))
                end_early(job, JobStatus::failed, "deadline_exceeded", "the job was not finished by its deadline");
        }
        arm_deadlines();
    });
}

// ---- conversations ------------------------------------------------------------------------------------------------------

asio::awaitable<Result<SessionRow>> JobService::add_session(SessionRow session) {
    session.id = random_uuid();
    session.created_ms = parts_.unix_ms();
    if (session.lifetime_ms == 0) session.lifetime_ms = parts_.limits.session_lifetime.count();
    session.expires_ms = session.created_ms + session.lifetime_ms;
    const Pending<bool> pending(parts_.io);
    parts_.store.add_session(session, [answer = pending.setter()](Result<void> added) {
        answer(added ? Result<bool>(true) : std::unexpected(std::move(added).error()));
    });
    const auto added = co_await pending.wait();
    if (!added) co_return std::unexpected(added.error());
    co_return session;
}

asio::awaitable<Result<SessionRow>> JobService::find_session(std::string tenant, std::string id) {
    const Pending<std::optional<SessionRow>> pending(parts_.io);
    parts_.store.find_session(std::move(tenant), std::move(id), pending.setter());
    auto found = co_await pending.wait();
    if (!found) co_return std::unexpected(std::move(found).error());
    if (!*found || is_over(**found))
        co_return fail_field(ErrorCode::not_found, "session_id", "there is no such session");
    co_return std::move(**found);
}

asio::awaitable<Result<void>> JobService::remove_session(std::string tenant, std::string id) {
    const Pending<bool> pending(parts_.io);
    parts_.store.remove_session(std::move(tenant), std::move(id), pending.setter());
    const auto removed = co_await pending.wait();
    if (!removed) co_return std::unexpected(removed.error());
    if (!*removed) co_return fail_field(ErrorCode::not_found, "session_id", "there is no such session");
    co_return Result<void>{};
}

// ---- counting -----------------------------------------------------------------------------------------------------------

JobMetrics JobService::metrics() const {
    JobMetrics all = metrics_;
    all.pending = shared_ ? waiting_anywhere_ : queue_.size();
    all.processing = live_.size() - std::min(live_.size(), queue_.size());
    all.waiting_bytes = queue_.load().bytes;
    all.waiting_tokens = queue_.load().tokens;
    all.sockets = sockets_.all();
    all.streams = streams_.all();
    return all;
}

// ---- housekeeping -------------------------------------------------------------------------------------------------------

// A portion at a time, so that what else is to be written need not wait; as long as they are full, the next one at once.
void JobService::expire_later(std::chrono::milliseconds patience) {
    expire_timer_.expires_after(patience);
    expire_timer_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
        if (error || !*alive) return;
        const auto now = parts_.unix_ms();
        const auto most = parts_.limits.expire_at_once;
        parts_.store.expire(now, now + parts_.limits.remembered.count(), most, [this, alive = alive_, most](const Result<std::size_t>& expired) {
            if (!*alive) return;
            if (expired && *expired > 0) log_info("jobs_expired", {{"entries", *expired}});
            const bool more = expired && *expired >= most && !draining_;
            expire_later(more ? std::chrono::milliseconds{0} : parts_.limits.expire_every);
        });
    });
}

void JobService::drain(std::chrono::milliseconds time_left, std::function<void()> done) {
    draining_ = true;
    drained_ = std::move(done);
    const auto live = live_;
    for (const auto& [id, job] : live) job->notify();  // readers of what does not run any more have nothing to wait for
    const auto elsewhere = elsewhere_;
    for (const auto& [id, known] : elsewhere)
        if (const auto job = known.lock()) job->notify();
    drain_timer_.expires_after(running_ == 0 ? std::chrono::milliseconds{0} : time_left);
    drain_timer_.async_wait([this, alive = alive_](const boost::system::error_code&) {
        if (!*alive) return;
        if (shared_) hand_back();
        const auto generations = generations_;
        for (const auto& generation : generations) generation->abandon();
        if (drained_) std::exchange(drained_, nullptr)();
    });
}

}  // namespace weft
