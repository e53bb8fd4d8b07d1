#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace weft {

// A prepared statement. bind() numbers parameters from 1, columns count from 0, as SQLite does. Thread: its database's.
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
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const;
    };
    explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
    std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// One connection to a SQLite file. Thread: one at a time.
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

  private:
    struct Close {
        void operator()(sqlite3* connection) const;
    };
    explicit Database(sqlite3* connection) : connection_(connection) {}
    std::unique_ptr<sqlite3, Close> connection_;
};

}  // namespace weft
