#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>

#include "store/sqlite_job_store.h"
#include "support/gguf_writer.h"

namespace weft::test {

// A store in a folder of its own, whose answers are taken one after the other on the test's thread.
class StoreScene {
  public:
    explicit StoreScene(SqliteFile::Limits limits = {}) : limits_(limits) { open(); }

    // As a process that ends and another one that starts.
    void reopen() {
        store.reset();
        file.reset();
        open();
    }

    template <typename T, typename Ask>
    Result<T> get(Ask&& ask) {
        std::optional<Result<T>> answer;
        ask([&answer](Result<T> got) { answer.emplace(std::move(got)); });
        while (!answer) run_one();
        return std::move(*answer);
    }

    Result<AddedJob> add(NewJob job) {
        return get<AddedJob>([&](auto done) { store->add(std::move(job), done); });
    }
    Result<bool> start(JobMark mark, std::int64_t now_ms = 1) {
        return get<bool>([&](auto done) { store->start(mark, now_ms, done); });
    }
    Result<bool> finish(JobMark mark, JobEnd end) {
        return get<bool>([&](auto done) { store->finish(mark, std::move(end), done); });
    }
    std::optional<JobRow> find(const std::string& id) {
        return get<FoundJob>([&](auto done) { store->find(id, done); }).value().row;
    }

    TemporaryFolder folder;
    std::unique_ptr<SqliteFile> file;
    std::unique_ptr<SqliteJobStore> store;

  private:
    void open() {
        file = SqliteFile::open(folder.path(), limits_, [this](std::function<void()> work) {
                   std::lock_guard lock(mutex_);
                   work_.push_back(std::move(work));
                   filled_.notify_one();
               }).value();
        store = std::make_unique<SqliteJobStore>(*file);
    }

    void run_one() {
        std::unique_lock lock(mutex_);
        filled_.wait(lock, [this] { return !work_.empty(); });
        auto work = std::move(work_.front());
        work_.pop_front();
        lock.unlock();
        work();
    }

    SqliteFile::Limits limits_;
    std::mutex mutex_;
    std::condition_variable filled_;
    std::deque<std::function<void()>> work_;
};

inline NewJob job_named(std::string id, std::string tenant = "t") {
    return {.row = {.id = std::move(id), .tenant = std::move(tenant), .session_id = "s", .model = "demo", .request = "{}", .created_ms = 1000}};
}

}  // namespace weft::test
