// How JobService shares a store with other nodes: it claims what is pending, keeps its leases, and shows its clients the
// jobs that others run.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "services/jobs/job_service.h"

namespace weft {
namespace {

constexpr std::size_t renewed_at_once = 256;             // leases, in one step of the store
constexpr std::chrono::seconds ask_without_news_after{2};  // about a job that somebody watches

using SteadyTime = std::chrono::steady_clock;

}  // namespace

void JobService::share() {
    shared_->listen([this, alive = alive_](const StoreNews& news) {
        if (*alive) take_news(news);
    });
    share_later();
}

void JobService::share_later() {
    share_timer_.expires_after(std::min<std::chrono::milliseconds>(parts_.limits.share_every, shared_->lease() / 4));
    share_timer_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
        if (error || !*alive) return;
        keep_sharing();
        share_later();
    });
}

// What has to be done without news, and what news that got lost would have told.
void JobService::keep_sharing() {
    const auto now = SteadyTime::now();
    if (now - renewed_at_ >= shared_->lease() / 3) renew_leases();
    if (!draining_) {
        const auto now_ms = parts_.unix_ms();
        JobEnd late{.status = JobStatus::failed, .error_code = "deadline_exceeded", .error_message = "the job was not finished by its deadline",
                    .finished_ms = now_ms, .expires_ms = now_ms + parts_.limits.lifetime.count()};
        shared_->sweep(now_ms, std::move(late), [this, alive = alive_](const Result<std::size_t>& waiting) {
            if (*alive && waiting) waiting_anywhere_ = *waiting;
        });
        claim_more();
    }
    std::erase_if(elsewhere_, [](const auto& known) { return known.second.expired(); });
    const auto known = elsewhere_;  // an answer may change it
    for (const auto& [id, weak] : known)
        if (const auto job = weak.lock(); job && job->elsewhere && !job->watchers.empty() && now - job->elsewhere->asked_at >= ask_without_news_after)
            ask(job);
}

void JobService::take_news(const StoreNews& news) {
    switch (news.kind) {
        case StoreNews::Kind::changed:
            if (const auto job = known_elsewhere(news.id)) ask(job);
            return;
        case StoreNews::Kind::cancel:
            if (const auto live = live_.find(news.id); live != live_.end()) {
                const auto job = live->second;
                end_early(job, JobStatus::cancelled, "cancelled", "the job was cancelled");
            }
            return;
        case StoreNews::Kind::removed:
            recent_.erase(news.id);
            if (const auto job = known_elsewhere(news.id)) ask(job);
            return;
        case StoreNews::Kind::queue: return claim_more();
        case StoreNews::Kind::back:
            recent_.clear();  // some may have been removed meanwhile
            renew_leases();
            claim_more();
            const auto known = elsewhere_;
            for (const auto& [id, weak] : known)
                if (const auto job = weak.lock(); job && job->elsewhere) ask(job);
            return;
    }
}

// ---- jobs that this node runs -------------------------------------------------------------------------------------------

void JobService::claim_more() {
    if (claiming_.jobs > 0) {
        claim_again_ = true;
        return;
    }
    if (!may_start(normal_priority)) return;
    const auto& limits = parts_.limits;
    const JobRoom room{.jobs = limits.running - running_, .low = limits.running_low - std::min(limits.running_low, running_low_),
                       .low_priority = low_priority};
    claiming_ = room;
    claim_again_ = false;
    shared_->claim(room, parts_.unix_ms(), [this, alive = alive_, room](Result<std::vector<JobRow>> rows) {
        if (!*alive) return;
        claiming_ = {};
        if (!rows) return;
        for (auto& row : *rows) take_claimed(std::move(row));
        if (claim_again_ || rows->size() == room.jobs) claim_more();
    });
}

void JobService::take_claimed(JobRow row) {
    if (draining_) return shared_->release({{.number = row.number, .attempt = row.attempt}});
    auto job = known_elsewhere(row.id);
    if (!job) job = std::make_shared<Job>(JobRow{});
    ++running_;
    if (row.priority >= low_priority) ++running_low_;
    job->row = std::move(row);
    job->elsewhere.reset();
    job->ending = false;
    elsewhere_.erase(job->row.id);
    live_[job->row.id] = job;
    watch_deadline(job);
    run(job);
}

// It is pending in the store.
void JobService::wait_for_any_node(const JobPtr& job) {
    job->row.status = JobStatus::pending;
    job->row.attempt = 0;
    job->row.started_ms = 0;
    const bool equal = running_equal(job->row) != nullptr;
    watch_elsewhere(job);
    if (!equal) return claim_more();
    // Who wants what is being generated here already needs no place.
    const auto now = parts_.unix_ms();
    const JobMark mark{.number = job->row.number, .attempt = 1};
    parts_.store.start(mark, now, [this, alive = alive_, job, now, mark](const Result<bool>& started) {
        if (!*alive || !started || !*started || !job->elsewhere) return;
        const auto generation = running_equal(job->row);
        if (!generation) return shared_->release({mark});
        elsewhere_.erase(job->row.id);
        job->elsewhere.reset();
        job->row.attempt = mark.attempt;
        job->row.started_ms = now;
        live_[job->row.id] = job;
        watch_deadline(job);
        join(job, generation);
    });
}

void JobService::renew_leases() {
    renewed_at_ = SteadyTime::now();
    std::vector<JobMark> held;
    for (const auto& [id, job] : live_) {
        if (job->row.status != JobStatus::processing) continue;
        held.push_back({.number = job->row.number, .attempt = job->row.attempt});
        if (held.size() == renewed_at_once) renew(std::exchange(held, {}));
    }
    if (!held.empty()) renew(std::move(held));
}

void JobService::renew(std::vector<JobMark> held) {
    shared_->renew(held, [this, alive = alive_, held](const Result<LeaseNews>& news) {
        if (!*alive || !news || (news->lost.empty() && news->cancelled.empty())) return;
        const auto live = live_;  // some may leave
        for (const auto& [id, job] : live) {
            const auto number = job->row.number;
            const auto mark = std::ranges::find(held, number, &JobMark::number);
            if (mark == held.end() || mark->attempt != job->row.attempt) continue;
            if (std::ranges::contains(news->lost, number)) lose(job);
            else if (std::ranges::contains(news->cancelled, number)) end_early(job, JobStatus::cancelled, "cancelled", "the job was cancelled");
        }
    });
}

// The process ends: other nodes need not wait until its leases are over.
void JobService::hand_back() {
    std::vector<JobMark> held;
    for (const auto& [id, job] : live_) {
        if (job->row.status != JobStatus::processing || job->ending) continue;
        held.push_back({.number = job->row.number, .attempt = job->row.attempt});
        if (held.size() == renewed_at_once) shared_->release(std::exchange(held, {}));
    }
    shared_->release(std::move(held));
}

// The lease was over. One that is ending hears from the store that its end comes too late.
void JobService::lose(const JobPtr& job) {
    if (job->ending || job->elsewhere) return;
    log_warn("job_lost", {{"job", job->row.id}, {"attempt", job->row.attempt}});
    if (job->generation) leave_generation(job);
    give_up(job);
}

// It is not this node's any more; what became of it is the store's to tell.
void JobService::give_up(const JobPtr& job) {
    forget_deadline(*job);
    job->ending = false;
    if (const auto live = live_.find(job->row.id); live != live_.end()) {
        if (live->second != job) return;  // claimed again by this node
        live_.erase(live);
    }
    job->row.status = JobStatus::pending;  // until it has told
    watch_elsewhere(job);
    ask(job);
}

// ---- jobs that other nodes run ------------------------------------------------------------------------------------------

void JobService::watch_elsewhere(const JobPtr& job) {
    job->elsewhere.emplace();
    job->row.request.clear();
    elsewhere_[job->row.id] = job;
}

JobService::JobPtr JobService::known_elsewhere(const std::string& id) const {
    const auto known = elsewhere_.find(id);
    const auto job = known == elsewhere_.end() ? nullptr : known->second.lock();
    return job && job->elsewhere ? job : nullptr;
}

JobService::JobPtr JobService::job_elsewhere(FoundJob found) {
    auto job = known_elsewhere(found.row->id);
    if (!job) {
        job = std::make_shared<Job>(JobRow{.number = found.row->number, .id = found.row->id, .tenant = found.row->tenant});
        watch_elsewhere(job);
    }
    update(job, std::move(found));
    return job;
}

void JobService::ask(const JobPtr& job) {
    auto& elsewhere = *job->elsewhere;
    if (elsewhere.asking) {
        elsewhere.ask_again = true;
        return;
    }
    elsewhere.asking = true;
    elsewhere.asked_at = SteadyTime::now();
    shared_->look(job->row.id, job->row.attempt, job->row.output.sizes.size(), [this, alive = alive_, job](Result<FoundJob> found) {
        if (!*alive || !job->elsewhere) return;
        job->elsewhere->asking = false;
        const bool again = std::exchange(job->elsewhere->ask_again, false);
        if (found) update(job, std::move(*found));
        if (again && !is_final(job->row.status)) ask(job);
    });
}

namespace {

// What follows what is known already.
void append_unknown(ChunkedText& known, std::size_t first_chunk, const ChunkedText& more) {
    std::size_t offset = 0;
    for (std::size_t i = 0; i < more.sizes.size(); offset += more.sizes[i++]) {
        if (first_chunk + i != known.sizes.size()) continue;
        known.text.append(more.text, offset, more.sizes[i]);
        known.sizes.push_back(more.sizes[i]);
    }
}

}  // namespace

void JobService::update(const JobPtr& job, FoundJob found) {
    auto& row = job->row;
    if (is_final(row.status)) return;
    if (!found.row) {
        row.status = JobStatus::failed;
        row.error_code = "expired";
        row.error_message = "the job is not kept any more";
        elsewhere_.erase(row.id);
        return job->notify();
    }
    auto& news = *found.row;
    if (news.attempt < row.attempt && !is_final(news.status)) return;  // older than what is known
    job->elsewhere->queue_position = found.queue_position;
    if (!is_final(news.status) && news.attempt == row.attempt) {
        append_unknown(row.output, found.first_chunk, news.output);
        news.output = std::move(row.output);
    }
    row = std::move(news);
    if (is_final(row.status)) {
        elsewhere_.erase(row.id);
        recent_.put(job);
    } else {
        row.completion_tokens = static_cast<std::uint32_t>(row.output.sizes.size());
    }
    job->notify();
}

}  // namespace weft
