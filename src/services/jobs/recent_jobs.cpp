#include "services/jobs/recent_jobs.h"

#include <utility>

namespace weft {
namespace {

std::size_t bytes_of(const Job& job) {
    const auto& row = job.row;
    return sizeof(Job) + 256 + row.session_id.size() + row.model.size() + row.metadata.size() + row.output.text.size() +
           row.thinking.size() + row.tool_calls.size() + row.sources.size() + row.trace.size() +
           row.output.sizes.size() * sizeof(row.output.sizes[0]) + row.error_message.size() + row.callback_url.size();
}

}  // namespace

void RecentJobs::put(std::shared_ptr<Job> job) {
    const auto bytes = bytes_of(*job);
    erase(job->row.id);
    if (bytes > max_bytes_) return;
    while (bytes_ + bytes > max_bytes_) erase(std::string(entries_.back().job->row.id));
    bytes_ += bytes;
    entries_.push_front({.job = std::move(job), .bytes = bytes});
    by_id_[entries_.front().job->row.id] = entries_.begin();
}

std::shared_ptr<Job> RecentJobs::find(const std::string& id) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return entries_.front().job;
}

void RecentJobs::erase(const std::string& id) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return;
    bytes_ -= found->second->bytes;
    entries_.erase(found->second);
    by_id_.erase(found);
}

void RecentJobs::clear() {
    entries_.clear();
    by_id_.clear();
    bytes_ = 0;
}

}  // namespace weft
