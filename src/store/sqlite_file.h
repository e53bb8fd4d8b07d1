#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/channel.h"
#include "base/error.h"
#include "store/checkpointer.h"
#include "store/group_commit.h"
#include "store/integrity_check.h"
#include "store/sqlite.h"

namespace weft {

// The file of all stores: who may use it, its schema, the thread that writes and the thread that reads. One process at
// a time: a lock on a file beside it sees to that.
class SqliteFile {
  public:
    struct Limits {
        std::uint64_t max_bytes = 0;                 // of the file; 0: as the disk allows
        std::uint64_t reserved_bytes = 16ULL << 20;  // of that and of the disk, for work that was accepted already
        std::chrono::milliseconds check_patience{250};  // for the check of the whole file before it is in use; 0: none
    };
    // Makes folder and file as needed and brings the schema up to date. Errors, with the reason in detail: overloaded when
    // another process has it, internal when it is damaged or of a newer version. The whole file is checked at every
    // start: a small one before this returns, a large one while it is in use already. One that is found damaged then takes
    // no new work any more.
    [[nodiscard]] static Result<std::unique_ptr<SqliteFile>> open(const std::filesystem::path& folder, Limits limits,
                                                                  GroupCommit::Deliver deliver);
    // Leaves all that was written in the one file, with no log beside it, so that a copy of the file is complete.
    ~SqliteFile();

    // Of the file that was found at the start; null for a new one.
    [[nodiscard]] IntegrityCheck* check() { return check_.get(); }

    static constexpr std::size_t max_waiting_reads = 65'536;

    // On disk when done is delivered. Thread: any.
    void write(GroupCommit::Write write, GroupCommit::Done done) { writer_->write(std::move(write), std::move(done)); }

    // Reads what was committed before; done is delivered. Thread: any.
    template <typename T>
    void read(std::function<Result<T>(Database&)> query, std::function<void(Result<T>)> done);

    // On the caller's thread, before anything else is asked.
    [[nodiscard]] Database& database_at_start() { return *reading_; }

    // Whether there is room for new work; storage_full otherwise, internal when the file is damaged. For use inside a write.
    [[nodiscard]] Result<void> check_room(Database& database) const;

    [[nodiscard]] GroupCommit::Counts commit_counts() const { return writer_->counts(); }  // Thread: any.

    [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

  private:
    SqliteFile(std::filesystem::path folder, Limits limits, int lock, std::unique_ptr<IntegrityCheck> check, std::unique_ptr<Checkpointer> checkpointer, Database writing,
               Database reading, GroupCommit::Deliver deliver);

    std::filesystem::path folder_;
    Limits limits_;
    int lock_;
    std::unique_ptr<IntegrityCheck> check_;
    GroupCommit::Deliver deliver_;
    std::optional<Database> reading_;  // thread: the reader's, once it was asked something; none any more when the file is closed
    Channel<std::function<void()>> reads_{max_waiting_reads};
    std::thread reader_;
    std::unique_ptr<Checkpointer> checkpointer_;
    std::unique_ptr<GroupCommit> writer_;
};

template <typename T>
void SqliteFile::read(std::function<Result<T>(Database&)> query, std::function<void(Result<T>)> done) {
    auto work = [this, query = std::move(query), done] {
        auto found = std::make_shared<Result<T>>(query(*reading_));
        deliver_([found, done] { done(std::move(*found)); });
    };
    if (reads_.try_push(std::move(work))) return;
    deliver_([done] { done(fail(ErrorCode::overloaded, "the server has too much to look up")); });
}

}  // namespace weft
