#pragma once

#include "store/response_archive.h"
#include "store/sqlite_file.h"

namespace weft {

// Stored answers in the file of all stores. Outlived by the SqliteFile.
class SqliteResponseArchive final : public ResponseArchive {
  public:
    explicit SqliteResponseArchive(SqliteFile& file) : file_(file) {}

    void put(ArchivedResponse response, Done done) override;
    void touch(std::string tenant, std::string id, std::int64_t used_s) override;
    void remove(std::string tenant, std::string id, Done done) override;
    [[nodiscard]] Result<void> recover(const std::function<bool(ArchivedResponse)>& take) override;

  private:
    SqliteFile& file_;
};

}  // namespace weft
