#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>

#include "store/sqlite_job_store.h"
#include "support/gguf_writer.h"

namespace weft::test {

// What tests of jobs say to a store, whatever it is made of. Answers are taken one after the other on the test's thread.
class JobScene {
  public:
    virtual ~JobScene() = default;

    // As a process that ends and another one that starts.
    virtual void reopen() = 0;
    virtual JobStore& jobs() = 0;

    template <typename T, typename Ask>
    Result<T> get(Ask&& ask) {
        std::optional<Result<T>> answer;
        ask([&answer](Result<T> got) { answer.emplace(std::move(got)); });
        while (!answer) run_one();
        return std::move(*answer);
    }

    Result<AddedJob> add(NewJob job) {
        return get<AddedJob>([&](auto done) { jobs().add(std::move(job), done); });
    }
    Result<bool> start(JobMark mark, std::int64_t now_ms = 1) {
        return get<bool>([&](auto done) { jobs().start(mark, now_ms, done); });
    }
    Result<std::size_t> keep_text(JobMark mark, std::size_t first_chunk, ChunkedText more) {
        return get<std::size_t>([&](auto done) { jobs().keep_text(mark, first_chunk, std::move(more), done); });
    }
    Result<bool> finish(JobMark mark, JobEnd end) {
        return get<bool>([&](auto done) { jobs().finish(mark, std::move(end), done); });
    }
    Result<bool> remove(std::int64_t number) {
        return get<bool>([&](auto done) { jobs().remove(number, done); });
    }
    Result<FoundJob> look_up(const std::string& id) {
        return get<FoundJob>([&](auto done) { jobs().find(id, done); });
    }
    std::optional<JobRow> find(const std::string& id) { return look_up(id).value().row; }
    // What another process left to this one.
    std::vector<JobRow> taken_up() {
        std::vector<JobRow> rows;
        const auto taken = jobs().take_up([&rows](JobRow row) { rows.push_back(std::move(row)); });
        return taken.value() == rows.size() ? rows : std::vector<JobRow>{};
    }
    // What an unfinished job has said so far.
    virtual ChunkedText kept(const std::string& id, JobMark mark) = 0;

  protected:
    virtual void run_one() = 0;
};

// A store in a folder of its own.
class StoreScene final : public JobScene {
  public:
    explicit StoreScene(SqliteFile::Limits limits = {}) : limits_(limits) { open(); }

    void reopen() override {
        store.reset();
        file.reset();
        open();
    }
    JobStore& jobs() override { return *store; }
    ChunkedText kept(const std::string&, JobMark mark) override { return store->kept_text(mark).value(); }

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

    void run_one() override {
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
