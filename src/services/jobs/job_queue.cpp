#include "services/jobs/job_queue.h"

#include <algorithm>
#include <utility>

namespace weft {
namespace {

constexpr std::size_t overhead_bytes = sizeof(Job);

std::string conversation_of(const JobRow& row) { return row.in_session ? row.tenant + '\n' + row.session_id : std::string(); }
std::string key_of(const JobRow& row) { return row.tenant + '\n' + row.request_key; }

// Nearly always at the end: a job comes back to its old place only when something went wrong.
auto place_in(auto& level, std::int64_t number) {
    if (level.empty() || level.back()->row.number < number) return level.end();
    return std::ranges::lower_bound(level, number, {}, [](const auto& job) { return job->row.number; });
}

bool remove_from(auto& level, const Job& job) {
    const auto place = place_in(level, job.row.number);
    if (place == level.end() || place->get() != &job) return false;
    level.erase(place);
    return true;
}

}  // namespace

void JobQueue::add(std::shared_ptr<Job> job) {
    ++size_;
    ++tenants_[job->row.tenant];
    bytes_ += overhead_bytes + static_cast<std::size_t>(job->row.request_bytes);
    if (!job->row.request_key.empty()) equal_[key_of(job->row)].push_back(job);
    auto& level = levels_[job->row.priority];
    level.insert(place_in(level, job->row.number), std::move(job));
}

void JobQueue::forget(const Job& job) {
    --size_;
    bytes_ -= overhead_bytes + static_cast<std::size_t>(job.row.request_bytes);
    if (const auto tenant = tenants_.find(job.row.tenant); --tenant->second == 0) tenants_.erase(tenant);
    if (job.row.request_key.empty()) return;
    const auto equal = equal_.find(key_of(job.row));
    if (equal == equal_.end()) return;
    std::erase_if(equal->second, [&job](const auto& other) { return other.expired() || other.lock().get() == &job; });
    if (equal->second.empty()) equal_.erase(equal);
}

bool JobQueue::remove(const Job& job) {
    const auto level = levels_.find(job.row.priority);
    bool found = level != levels_.end() && remove_from(level->second, job);
    if (!found) {
        const auto held = held_.find(conversation_of(job.row));
        found = held != held_.end() && remove_from(held->second, job);
    }
    if (found) forget(job);
    return found;
}

std::shared_ptr<Job> JobQueue::take(std::int32_t least_urgent) {
    for (auto& [priority, level] : levels_) {
        if (priority > least_urgent) return nullptr;
        while (!level.empty()) {
            auto job = std::move(level.front());
            level.pop_front();
            if (!claim(job->row)) {
                auto& held = held_[conversation_of(job->row)];
                held.insert(place_in(held, job->row.number), std::move(job));
                continue;
            }
            forget(*job);
            return job;
        }
    }
    return nullptr;
}

bool JobQueue::claim(const JobRow& row) { return !row.in_session || busy_.insert(conversation_of(row)).second; }

void JobQueue::release(const Job& job) {
    if (!job.row.in_session) return;
    const auto conversation = conversation_of(job.row);
    busy_.erase(conversation);
    const auto held = held_.find(conversation);
    if (held == held_.end()) return;
    for (auto& waiting : held->second) {
        auto& level = levels_[waiting->row.priority];
        level.insert(place_in(level, waiting->row.number), std::move(waiting));
    }
    held_.erase(held);
}

std::vector<std::shared_ptr<Job>> JobQueue::take_equal(const Job& job) {
    std::vector<std::shared_ptr<Job>> taken;
    if (job.row.request_key.empty()) return taken;
    const auto equal = equal_.find(key_of(job.row));
    if (equal == equal_.end()) return taken;
    for (const auto& other : std::vector(equal->second))
        if (auto waiting = other.lock(); waiting && remove(*waiting)) taken.push_back(std::move(waiting));
    return taken;
}

std::size_t JobQueue::position(const Job& job) const {
    std::size_t before = 1;
    for (const auto& [priority, level] : levels_) {
        if (priority == job.row.priority) {
            const auto place = place_in(level, job.row.number);
            return before + static_cast<std::size_t>(place - level.begin());
        }
        before += level.size();
    }
    return before;
}

std::size_t JobQueue::size_of(const std::string& tenant) const {
    const auto found = tenants_.find(tenant);
    return found == tenants_.end() ? 0 : found->second;
}

}  // namespace weft
