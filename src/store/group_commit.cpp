#include "store/group_commit.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <memory>
#include <utility>

#include "base/log.h"

namespace weft {

GroupCommit::GroupCommit(Database database, Deliver deliver)
    : database_(std::move(database)), deliver_(std::move(deliver)), thread_([this] { run(); }) {}

GroupCommit::~GroupCommit() {
    {
        std::lock_guard lock(mutex_);
        closing_ = true;
    }
    filled_.notify_one();
    thread_.join();
}

void GroupCommit::write(Write write, Done done) {
    {
        std::lock_guard lock(mutex_);
        if (waiting_.size() < max_waiting) {
            waiting_.push_back({.write = std::move(write), .done = std::move(done)});
            if (waiting_.size() == 1) filled_.notify_one();
            return;
        }
    }
    deliver_([done = std::move(done)] { done(fail(ErrorCode::overloaded, "the server has too much to store")); });
}

GroupCommit::Counts GroupCommit::counts() const {
    const std::lock_guard lock(mutex_);
    return counts_;
}

void GroupCommit::run() {
    for (;;) {
        std::vector<Entry> entries;
        {
            std::unique_lock lock(mutex_);
            filled_.wait(lock, [this] { return closing_ || !waiting_.empty(); });
            if (waiting_.empty()) return;
            if (waiting_.size() <= max_together) {
                entries.swap(waiting_);
            } else {
                const auto end = waiting_.begin() + max_together;
                entries.assign(std::move_iterator(waiting_.begin()), std::move_iterator(end));
                waiting_.erase(waiting_.begin(), end);
            }
        }
        const auto began = std::chrono::steady_clock::now();
        commit(entries);
        {
            const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
            const std::lock_guard lock(mutex_);
            counts_.commit_s.observe(seconds_bounds, took.count());
            counts_.writes.observe(tokens_bounds, static_cast<double>(entries.size()));
            counts_.failed += static_cast<std::uint64_t>(std::ranges::count_if(entries, [](const auto& entry) { return !entry.outcome; }));
        }
        deliver_([entries = std::make_shared<std::vector<Entry>>(std::move(entries))] {
            for (auto& entry : *entries) entry.done(std::move(entry.outcome));
        });
    }
}

// One write that does not fit must not take the others with it.
void GroupCommit::commit(std::vector<Entry>& entries) {
    if (commit_together(entries)) return;
    for (auto& entry : entries) {
        entry.outcome = commit_alone(entry);
        // A full store is told to whoever asks; it would fill the log as well.
        if (!entry.outcome && entry.outcome.error().code == ErrorCode::internal)
            log_error("store_write_failed", {{"detail", entry.outcome.error().detail}});
    }
}

// A write that fails before it has changed anything, as one that is refused for want of room does, leaves the transaction as
// it was. False: nothing was written, and each has to try for itself.
bool GroupCommit::commit_together(std::vector<Entry>& entries) {
    if (!database_.execute("BEGIN IMMEDIATE")) return false;
    for (auto& entry : entries) {
        const auto before = database_.all_changed_rows();
        entry.outcome = entry.write(database_);
        if (entry.outcome) continue;
        if (entry.outcome.error().code != ErrorCode::internal && database_.in_transaction() && database_.all_changed_rows() == before) continue;
        (void)database_.execute("ROLLBACK");
        return false;
    }
    if (database_.execute("COMMIT")) return true;
    // SQLite has rolled back by itself after some errors; then this one is an error, too, and means nothing.
    (void)database_.execute("ROLLBACK");
    return false;
}

Result<void> GroupCommit::commit_alone(Entry& entry) {
    WEFT_CHECK(database_.execute("BEGIN IMMEDIATE"));
    auto written = entry.write(database_);
    if (written) written = database_.execute("COMMIT");
    if (!written) (void)database_.execute("ROLLBACK");
    return written;
}

}  // namespace weft
