#include "store/sqlite.h"

#include <sqlite3.h>

namespace weft {
namespace {

constexpr int busy_patience_ms = 5000;

// A full disk and a file at its largest allowed size are the same to a client: no room.
std::unexpected<Error> failure(sqlite3* connection, int code) {
    const bool full = (code & 0xff) == SQLITE_FULL || code == SQLITE_IOERR_SHMSIZE;
    const auto kind = full ? ErrorCode::storage_full : ErrorCode::internal;
    return std::unexpected(Error{
        .code = kind,
        .message = kind == ErrorCode::storage_full ? "the server has no room to store this" : "the server's store has failed",
        .detail = std::string(sqlite3_errmsg(connection)) + " (SQLite " + std::to_string(sqlite3_extended_errcode(connection)) + ")"});
}

}  // namespace

void Statement::GiveBack::operator()(sqlite3_stmt* statement) const { cache->give_back(statement); }

StatementCache::~StatementCache() {
    for (const auto& [sql, statement] : unused_) sqlite3_finalize(statement);
}

sqlite3_stmt* StatementCache::take(std::string_view sql) {
    const auto found = unused_.find(sql);
    if (found == unused_.end()) return nullptr;
    sqlite3_stmt* statement = found->second;
    unused_.erase(found);
    return statement;
}

// One of each text is enough: only what runs inside itself would need two.
void StatementCache::give_back(sqlite3_stmt* statement) {
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (unused_.size() >= max_statements || !unused_.try_emplace(sqlite3_sql(statement), statement).second) sqlite3_finalize(statement);
}

Statement& Statement::bind(int parameter, std::int64_t value) {
    sqlite3_bind_int64(statement_.get(), parameter, value);
    return *this;
}

Statement& Statement::bind(int parameter, std::string_view text) {
    sqlite3_bind_text64(statement_.get(), parameter, text.data() ? text.data() : "", text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
    return *this;
}

Statement& Statement::bind_blob(int parameter, std::string_view bytes) {
    sqlite3_bind_blob64(statement_.get(), parameter, bytes.data() ? bytes.data() : "", bytes.size(), SQLITE_TRANSIENT);
    return *this;
}

Result<bool> Statement::step() {
    const int code = sqlite3_step(statement_.get());
    if (code == SQLITE_ROW) return true;
    sqlite3* connection = sqlite3_db_handle(statement_.get());
    if (code == SQLITE_DONE) {
        reset();
        return false;
    }
    auto error = failure(connection, code);
    reset();
    return error;
}

Result<void> Statement::run() {
    WEFT_TRY(const bool row, step());
    if (row) reset();
    return {};
}

void Statement::reset() {
    sqlite3_reset(statement_.get());
    sqlite3_clear_bindings(statement_.get());
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }

std::string Statement::text(int column) const {
    const void* bytes = sqlite3_column_blob(statement_.get(), column);
    const int size = sqlite3_column_bytes(statement_.get(), column);
    return bytes == nullptr ? std::string() : std::string(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

void Database::Close::operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }

Result<Database> Database::open(const std::filesystem::path& file, Access access) {
    sqlite3* connection = nullptr;
    const int flags = (access == Access::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) |
                      SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    const int code = sqlite3_open_v2(file.c_str(), &connection, flags, nullptr);
    Database database(connection);
    if (code != SQLITE_OK) return failure(connection, code);
    sqlite3_busy_timeout(connection, busy_patience_ms);
    return database;
}

Result<Statement> Database::prepare(std::string_view sql) {
    sqlite3_stmt* statement = unused_->take(sql);
    if (statement != nullptr) return Statement(statement, *unused_);
    const int code = sqlite3_prepare_v3(connection_.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                        &statement, nullptr);
    if (code != SQLITE_OK) return failure(connection_.get(), code);
    return Statement(statement, *unused_);
}

Result<void> Database::execute(const char* sql) {
    const int code = sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) return failure(connection_.get(), code);
    return {};
}

void Database::after_commit(std::function<void(int pages)> told) {
    after_commit_ = std::make_unique<std::function<void(int)>>(std::move(told));
    const auto hook = [](void* function, sqlite3*, const char*, int pages) {
        (*static_cast<std::function<void(int)>*>(function))(pages);
        return SQLITE_OK;
    };
    sqlite3_wal_hook(connection_.get(), hook, after_commit_.get());
}

void Database::checkpoint(sqlite3* connection) {
    // What does not work now, for want of room on the disk for example, is left for the next time.
    (void)sqlite3_wal_checkpoint_v2(connection, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
}

Result<std::int64_t> Database::number(std::string_view sql) {
    WEFT_TRY(auto statement, prepare(sql));
    WEFT_TRY(const bool row, statement.step());
    return row ? statement.integer(0) : 0;
}

Result<std::string> Database::word(std::string_view sql) {
    WEFT_TRY(auto statement, prepare(sql));
    WEFT_TRY(const bool row, statement.step());
    return row ? statement.text(0) : std::string();
}

std::int64_t Database::last_row() const { return sqlite3_last_insert_rowid(connection_.get()); }
std::int64_t Database::all_changed_rows() const { return sqlite3_total_changes64(connection_.get()); }
bool Database::in_transaction() const { return sqlite3_get_autocommit(connection_.get()) == 0; }
void Database::interrupt() { sqlite3_interrupt(connection_.get()); }
int Database::changed_rows() const { return sqlite3_changes(connection_.get()); }

}  // namespace weft
