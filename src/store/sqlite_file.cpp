#include "store/sqlite_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <utility>

#include "store/schema.h"

namespace weft {
namespace fs = std::filesystem;
namespace {

constexpr const char* file_name = "jobs.db";
constexpr const char* lock_name = "jobs.lock";

// What a transaction needs to be durable: the log is synced before a commit returns.
constexpr const char* write_settings = R"(
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA cache_size = -8192;
PRAGMA temp_store = MEMORY;
)";

std::unexpected<Error> unusable(ErrorCode code, std::string message, std::string detail) {
    return std::unexpected(Error{.code = code, .message = std::move(message), .detail = std::move(detail)});
}

// The lock goes with the process, however it ends. -1 when another one has it.
int lock_folder(const fs::path& folder) {
    const int descriptor = ::open((folder / lock_name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor >= 0 && ::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return descriptor;
    if (descriptor >= 0) ::close(descriptor);
    return -1;
}

Result<Database> open_for_writing(const fs::path& file, const SqliteFile::Limits& limits) {
    WEFT_TRY(auto database, Database::open(file, Database::Access::read_write));
    fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
    WEFT_CHECK(database.execute(write_settings));
    WEFT_CHECK(migrate(database));
    if (limits.max_bytes > 0) {
        WEFT_TRY(const auto page_bytes, database.number("PRAGMA page_size"));
        const auto pages = limits.max_bytes / static_cast<std::uint64_t>(page_bytes);
        WEFT_CHECK(database.execute(("PRAGMA max_page_count = " + std::to_string(pages)).c_str()));
    }
    return database;
}

std::unexpected<Error> damaged(std::string what) { return unusable(ErrorCode::internal, "the job store is damaged", std::move(what)); }

// Null for a file that is not there yet, or is empty.
Result<std::unique_ptr<IntegrityCheck>> check_file(const fs::path& file, std::chrono::milliseconds patience) {
    std::error_code error;
    if (!fs::exists(file, error) || fs::file_size(file, error) == 0) return nullptr;
    WEFT_TRY(auto check, IntegrityCheck::begin(file));
    // Before anything is changed, if it can be.
    if (patience.count() > 0 && check->wait(patience) == IntegrityCheck::Outcome::damaged) return damaged(check->damage());
    return check;
}

}  // namespace

Result<std::unique_ptr<SqliteFile>> SqliteFile::open(const fs::path& folder, Limits limits, GroupCommit::Deliver deliver) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) return unusable(ErrorCode::internal, "the folder of the job store cannot be made", error.message());
    fs::permissions(folder, fs::perms::owner_all, error);
    const int lock = lock_folder(folder);
    if (lock < 0) return unusable(ErrorCode::overloaded, "another server uses the job store", folder.string());
    const fs::path file = folder / file_name;
    auto check = check_file(file, limits.check_patience);
    auto writing = check ? open_for_writing(file, limits) : std::unexpected(check.error());
    auto reading = writing ? Database::open(file, Database::Access::read_only) : std::unexpected(writing.error());
    auto checkpointer = reading ? Checkpointer::begin(file) : std::unexpected(reading.error());
    if (!checkpointer) {
        ::close(lock);
        return std::unexpected(checkpointer.error());
    }
    (*checkpointer)->serve(*writing);
    return std::unique_ptr<SqliteFile>(new SqliteFile(folder, limits, lock, std::move(*check), std::move(*checkpointer),
                                                      std::move(*writing), std::move(*reading), std::move(deliver)));
}

SqliteFile::SqliteFile(fs::path folder, Limits limits, int lock, std::unique_ptr<IntegrityCheck> check,
                       std::unique_ptr<Checkpointer> checkpointer, Database writing, Database reading, GroupCommit::Deliver deliver)
    : folder_(std::move(folder)),
      limits_(limits),
      lock_(lock),
      check_(std::move(check)),
      deliver_(std::move(deliver)),
      reading_(std::move(reading)),
      reader_([this] {
          while (const auto read = reads_.pop()) (*read)();
      }),
      checkpointer_(std::move(checkpointer)),
      writer_(std::make_unique<GroupCommit>(std::move(writing), deliver_)) {}

SqliteFile::~SqliteFile() {
    check_.reset();
    reads_.close();
    reader_.join();
    reading_.reset();
    // SQLite moves the log into the file when the last connection is closed, if that may write.
    writer_.reset();
    checkpointer_.reset();
    ::close(lock_);
}

Result<void> SqliteFile::check_room(Database& database) const {
    const auto no_room = [](std::string detail) {
        return unusable(ErrorCode::storage_full, "the server has no room to store this", std::move(detail));
    };
    if (check_ && check_->outcome() == IntegrityCheck::Outcome::damaged) return damaged(check_->damage());
    struct statvfs disk{};
    if (::statvfs(folder_.c_str(), &disk) == 0 && disk.f_bavail * disk.f_frsize < limits_.reserved_bytes)
        return no_room("the disk is full");
    if (limits_.max_bytes == 0) return {};
    WEFT_TRY(const auto pages, database.number("PRAGMA page_count"));
    WEFT_TRY(const auto unused, database.number("PRAGMA freelist_count"));
    WEFT_TRY(const auto page_bytes, database.number("PRAGMA page_size"));
    const auto used = static_cast<std::uint64_t>(pages - unused) * static_cast<std::uint64_t>(page_bytes);
    if (used + limits_.reserved_bytes > limits_.max_bytes) return no_room("the job store is as large as it may be");
    return {};
}

}  // namespace weft
