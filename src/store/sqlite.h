#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace weft {

class StatementCache;

// A prepared statement, the database's to use again afterwards. bind() numbers parameters from 1, columns count from 0, as SQLite does. Thread: its database's.
class Statement {
  public:
    Statement& bind(int parameter, std::int64_t value);
    Statement& bind(int parameter, std::string_view text);
    Statement& bind_blob(int parameter, std::string_view bytes);

    // True when there is a row to look at, false at the end. After the end or an error it can be bound anew.
    [[nodiscard]] Result<bool> step();
    // For statements that return no rows.
    [[nodiscard]] Result<void> run();
    // Before the next use of one that was not stepped to its end.
    void reset();

    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] std::string text(int column) const;  // blobs, too

  private:
    friend class Database;
    struct GiveBack {
        StatementCache* cache;
        void operator()(sqlite3_stmt* statement) const;
    };
    Statement(sqlite3_stmt* statement, StatementCache& cache) : statement_(statement, GiveBack{&cache}) {}
    std::unique_ptr<sqlite3_stmt, GiveBack> statement_;
};

// Statements that are prepared and not in use, by their text.
class StatementCache {
  public:
    static constexpr std::size_t max_statements = 128;

    ~StatementCache();
    StatementCache() = default;
    StatementCache(const StatementCache&) = delete;
    StatementCache& operator=(const StatementCache&) = delete;

    // Null when there is none with that text.
    [[nodiscard]] sqlite3_stmt* take(std::string_view sql);
    void give_back(sqlite3_stmt* statement);

  private:
    struct Hash : std::hash<std::string_view> {
        using is_transparent = void;
    };
    std::unordered_map<std::string, sqlite3_stmt*, Hash, std::equal_to<>> unused_{};
};

// One connection to a SQLite file. Statements do not outlive it. Thread: one at a time.
class Database {
  public:
    enum class Access { read_write, read_only };
    [[nodiscard]] static Result<Database> open(const std::filesystem::path& file, Access access);

    [[nodiscard]] Result<Statement> prepare(std::string_view sql);
    // Statements without parameters and results, separated by semicolons.
    [[nodiscard]] Result<void> execute(const char* sql);
    // The first column of the first row; 0 when there is none.
    [[nodiscard]] Result<std::int64_t> number(std::string_view sql);
    [[nodiscard]] Result<std::string> word(std::string_view sql);

    [[nodiscard]] std::int64_t last_row() const;  // rowid of the last insertion
    [[nodiscard]] int changed_rows() const;       // by the last statement
    [[nodiscard]] std::int64_t all_changed_rows() const;  // since it was opened
    // False as well when SQLite has rolled back by itself, as it does after some errors.
    [[nodiscard]] bool in_transaction() const;

    // Called after each commit with the number of pages in the log, which nobody moves into the file by itself any more.
    void after_commit(std::function<void(int pages)> told);
    // Moves pages of the log into the file, as many as readers and writers allow without being waited for.
    static void checkpoint(sqlite3* connection);
    // Stays the same when the Database is moved.
    [[nodiscard]] sqlite3* handle() const { return connection_.get(); }

    // Ends whatever statement runs, with an error. Thread: any.
    void interrupt();

  private:
    struct Close {
        void operator()(sqlite3* connection) const;
    };
    explicit Database(sqlite3* connection) : connection_(connection) {}
    std::unique_ptr<sqlite3, Close> connection_;
    std::unique_ptr<StatementCache> unused_ = std::make_unique<StatementCache>();
    std::unique_ptr<std::function<void(int)>> after_commit_;
};

}  // namespace weft
