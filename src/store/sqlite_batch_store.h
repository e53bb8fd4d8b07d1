#pragma once

#include "store/batch_store.h"
#include "store/sqlite_file.h"

namespace weft {

// Batches in a SQLite file, contents of files beside it, one file each. Outlived by the SqliteFile.
class SqliteBatchStore final : public BatchStore {
  public:
    // Makes the folder for contents, and removes what a crash left behind there.
    [[nodiscard]] static Result<std::unique_ptr<SqliteBatchStore>> open(SqliteFile& file);

    void add_file(NewFile file, Done<bool> done) override;
    void find_file(std::string tenant, std::string id, Done<FileRow> done) override;
    void read_file(std::string tenant, std::string id, Done<std::string> done) override;
    void list_files(PageQuery query, Done<std::vector<FileRow>> done) override;
    void remove_file(std::string tenant, std::string id, Done<bool> done) override;
    void expire(std::int64_t now_s, Done<std::size_t> done) override;

    void add_batch(BatchRecord batch, Done<std::int64_t> done) override;
    void update_batch(BatchRecord batch, Done<bool> done) override;
    void find_batch(std::string tenant, std::string id, Done<BatchRecord> done) override;
    void list_batches(PageQuery query, Done<std::vector<BatchRecord>> done) override;
    [[nodiscard]] Result<std::vector<BatchRecord>> running_batches() override;

    void add_answer(std::int64_t batch_number, BatchAnswer answer, Done<bool> done) override;
    void answers(std::int64_t batch_number, Done<std::vector<BatchAnswer>> done) override;
    void finish_batch(BatchRecord batch, std::vector<NewFile> results, Done<bool> done) override;

  private:
    explicit SqliteBatchStore(SqliteFile& file) : file_(file), folder_(file.folder() / "files") {}

    SqliteFile& file_;
    std::filesystem::path folder_;
};

}  // namespace weft
