#pragma once

#include <memory>
#include <string>
#include <vector>

#include "store/job_store.h"
#include "store/sqlite_file.h"

namespace weft {

// Jobs in a SQLite file. Outlived by the file.
class SqliteJobStore final : public JobStore {
  public:
    explicit SqliteJobStore(SqliteFile& file) : file_(file) {}

    void add(NewJob job, Done<AddedJob> done) override;
    void start(JobMark mark, std::int64_t now_ms, Done<bool> done) override;
    void keep_text(JobMark mark, std::size_t first_chunk, ChunkedText more, Done<std::size_t> done) override;
    void finish(JobMark mark, JobEnd end, Done<bool> done) override;
    void remove(std::int64_t number, Done<bool> done) override;
    void callback_tried(std::int64_t number, CallbackState state, std::uint32_t tries, std::int64_t next_ms, Done<void> done) override;

    void find(std::string id, Done<FoundJob> done) override;
    void list(JobQuery query, Done<JobPage> done) override;
    void find_key(KeyQuery query, Done<std::optional<AddedJob>> done) override;
    void load_request(std::int64_t number, Done<std::string> done) override;
    void due_callbacks(std::int64_t now_ms, CallbackRoom room, Done<std::vector<JobRow>> done) override;
    [[nodiscard]] Result<std::size_t> take_up(const std::function<void(JobRow)>& take) override;
    [[nodiscard]] Result<ChunkedText> kept_text(JobMark mark) override;

    void add_session(SessionRow session, Done<void> done) override;
    void find_session(std::string tenant, std::string id, Done<std::optional<SessionRow>> done) override;
    void remove_session(std::string tenant, std::string id, Done<bool> done) override;

    void expire(std::int64_t now_ms, std::int64_t remember_until_ms, std::size_t limit, Done<std::size_t> done) override;

  private:
    SqliteFile& file_;
};

}  // namespace weft
