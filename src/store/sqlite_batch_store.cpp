#include "store/sqlite_batch_store.h"

#include <memory>
#include <set>
#include <utility>

#include "store/content_file.h"

namespace weft {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view file_columns = "number, id, tenant, filename, purpose, bytes, created_s, expires_s";

std::unexpected<Error> nothing_there() { return fail(ErrorCode::not_found, "there is no such object"); }

FileRow read_file_row(const Statement& row) {
    return {.number = row.integer(0), .id = row.text(1), .tenant = row.text(2), .filename = row.text(3), .purpose = row.text(4),
            .bytes = row.integer(5), .created_s = row.integer(6), .expires_s = row.integer(7)};
}

BatchRecord read_batch_row(const Statement& row) {
    return {.number = row.integer(0), .id = row.text(1), .tenant = row.text(2), .state = row.text(3), .running = row.integer(4) != 0};
}

template <typename Row>
Result<std::vector<Row>> all_rows(Statement& statement, Row (*read)(const Statement&)) {
    std::vector<Row> rows;
    for (;;) {
        WEFT_TRY(const bool more, statement.step());
        if (!more) return rows;
        rows.push_back(read(statement));
    }
}

Result<void> insert_file(Database& database, const FileRow& file) {
    WEFT_TRY(auto insert, database.prepare("INSERT INTO files(id, tenant, filename, purpose, bytes, created_s, expires_s) "
                                           "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)"));
    insert.bind(1, file.id).bind(2, file.tenant).bind(3, file.filename).bind(4, file.purpose).bind(5, file.bytes);
    return insert.bind(6, file.created_s).bind(7, file.expires_s).run();
}

Result<FileRow> find_file_row(Database& database, const std::string& tenant, const std::string& id) {
    WEFT_TRY(auto query, database.prepare("SELECT " + std::string(file_columns) + " FROM files WHERE id = ?1 AND tenant = ?2"));
    WEFT_TRY(const bool known, query.bind(1, id).bind(2, tenant).step());
    if (!known) return nothing_there();
    return read_file_row(query);
}

std::string page_of(std::string_view columns, std::string_view table, const PageQuery& query) {
    std::string sql = "SELECT " + std::string(columns) + " FROM " + std::string(table) + " WHERE tenant = ?1";
    if (!query.purpose.empty()) sql += " AND purpose = ?2";
    if (!query.after_id.empty())
        sql += " AND number " + std::string(query.oldest_first ? ">" : "<") + " (SELECT number FROM " + std::string(table) + " WHERE id = ?3 AND tenant = ?1)";
    return sql + " ORDER BY number " + (query.oldest_first ? "ASC" : "DESC") + " LIMIT ?4";
}

// A page after what is not there would look like the last one.
Result<void> check_cursor(Database& database, std::string_view table, const PageQuery& query) {
    if (query.after_id.empty()) return {};
    WEFT_TRY(auto find, database.prepare("SELECT 1 FROM " + std::string(table) + " WHERE id = ?1 AND tenant = ?2"));
    WEFT_TRY(const bool known, find.bind(1, query.after_id).bind(2, query.tenant).step());
    if (!known) return fail_field(ErrorCode::invalid_request, "after", "'after' is not the id of one of your " + std::string(table));
    return {};
}

void bind_page(Statement& statement, const PageQuery& query) {
    statement.bind(1, query.tenant).bind(4, static_cast<std::int64_t>(query.limit));
    if (!query.purpose.empty()) statement.bind(2, query.purpose);
    if (!query.after_id.empty()) statement.bind(3, query.after_id);
}

Result<void> write_batch(Database& database, const BatchRecord& batch) {
    WEFT_TRY(auto update, database.prepare("UPDATE batches SET state = ?2, running = ?3, expires_s = ?4 WHERE number = ?1"));
    return update.bind(1, batch.number).bind(2, batch.state).bind(3, std::int64_t{batch.running}).bind(4, batch.expires_s).run();
}

template <typename T>
GroupCommit::Done with_value(std::shared_ptr<T> value, BatchStore::Done<T> done) {
    return [value = std::move(value), done = std::move(done)](Result<void> written) {
        if (!written) return done(std::unexpected(std::move(written).error()));
        done(std::move(*value));
    };
}

}  // namespace

Result<std::unique_ptr<SqliteBatchStore>> SqliteBatchStore::open(SqliteFile& file) {
    std::unique_ptr<SqliteBatchStore> store(new SqliteBatchStore(file));
    std::error_code error;
    fs::create_directories(store->folder_, error);
    WEFT_TRY(auto query, file.database_at_start().prepare("SELECT id FROM files"));
    std::set<std::string> known;
    for (;;) {
        WEFT_TRY(const bool more, query.step());
        if (!more) break;
        known.insert(query.text(0));
    }
    for (const auto& entry : fs::directory_iterator(store->folder_, error))
        if (!known.contains(entry.path().filename().string())) fs::remove(entry.path(), error);
    if (error) return std::unexpected(Error{.code = ErrorCode::internal, .message = "the folder of files cannot be used", .detail = error.message()});
    return store;
}

void SqliteBatchStore::add_file(NewFile file, Done<bool> done) {
    auto added = std::make_shared<bool>(true);
    const auto write = [&store = file_, folder = folder_, file = std::make_shared<const NewFile>(std::move(file))](Database& database) -> Result<void> {
        WEFT_CHECK(store.check_room(database));
        WEFT_CHECK(write_content(folder / file->row.id, file->content));
        return insert_file(database, file->row);
    };
    file_.write(write, with_value(added, std::move(done)));
}

void SqliteBatchStore::find_file(std::string tenant, std::string id, Done<FileRow> done) {
    file_.read<FileRow>([tenant = std::move(tenant), id = std::move(id)](Database& database) { return find_file_row(database, tenant, id); }, std::move(done));
}

void SqliteBatchStore::read_file(std::string tenant, std::string id, Done<std::string> done) {
    file_.read<std::string>([folder = folder_, tenant = std::move(tenant), id = std::move(id)](Database& database) -> Result<std::string> {
        WEFT_TRY(const auto row, find_file_row(database, tenant, id));
        return read_content(folder / row.id);
    }, std::move(done));
}

void SqliteBatchStore::list_files(PageQuery query, Done<std::vector<FileRow>> done) {
    file_.read<std::vector<FileRow>>([query = std::move(query)](Database& database) -> Result<std::vector<FileRow>> {
        WEFT_CHECK(check_cursor(database, "files", query));
        WEFT_TRY(auto statement, database.prepare(page_of(file_columns, "files", query)));
        bind_page(statement, query);
        return all_rows(statement, read_file_row);
    }, std::move(done));
}

void SqliteBatchStore::remove_file(std::string tenant, std::string id, Done<bool> done) {
    auto removed = std::make_shared<bool>(false);
    const auto write = [removed, tenant, id](Database& database) -> Result<void> {
        WEFT_TRY(auto remove, database.prepare("DELETE FROM files WHERE id = ?1 AND tenant = ?2"));
        WEFT_CHECK(remove.bind(1, id).bind(2, tenant).run());
        *removed = database.changed_rows() > 0;
        return {};
    };
    // The content goes once nothing speaks of it any more; what a crash leaves behind goes at the next start.
    file_.write(write, [removed, path = folder_ / id, done = std::move(done)](Result<void> written) {
        if (!written) return done(std::unexpected(std::move(written).error()));
        std::error_code ignored;
        if (*removed) fs::remove(path, ignored);
        done(*removed);
    });
}

void SqliteBatchStore::expire(std::int64_t now_s, Done<std::size_t> done) {
    auto expired = std::make_shared<std::vector<std::string>>();
    const auto write = [expired, now_s](Database& database) -> Result<void> {
        expired->clear();
        WEFT_TRY(auto batches, database.prepare("DELETE FROM batches WHERE running = 0 AND expires_s > 0 AND expires_s <= ?1"));
        WEFT_CHECK(batches.bind(1, now_s).run());
        WEFT_TRY(auto remove, database.prepare("DELETE FROM files WHERE expires_s > 0 AND expires_s <= ?1 RETURNING id"));
        remove.bind(1, now_s);
        for (;;) {
            WEFT_TRY(const bool more, remove.step());
            if (!more) return {};
            expired->push_back(remove.text(0));
        }
    };
    file_.write(write, [expired, folder = folder_, done = std::move(done)](Result<void> written) {
        if (!written) return done(std::unexpected(std::move(written).error()));
        std::error_code ignored;
        for (const auto& id : *expired) fs::remove(folder / id, ignored);
        done(expired->size());
    });
}

void SqliteBatchStore::add_batch(BatchRecord batch, Done<std::int64_t> done) {
    auto number = std::make_shared<std::int64_t>(0);
    const auto write = [&store = file_, number, batch = std::move(batch)](Database& database) -> Result<void> {
        WEFT_CHECK(store.check_room(database));
        WEFT_TRY(auto insert, database.prepare("INSERT INTO batches(id, tenant, state, running, expires_s) VALUES(?1, ?2, ?3, ?4, 0)"));
        WEFT_CHECK(insert.bind(1, batch.id).bind(2, batch.tenant).bind(3, batch.state).bind(4, std::int64_t{batch.running}).run());
        *number = database.last_row();
        return {};
    };
    file_.write(write, with_value(number, std::move(done)));
}

void SqliteBatchStore::update_batch(BatchRecord batch, Done<bool> done) {
    auto updated = std::make_shared<bool>(true);
    const auto write = [batch = std::move(batch)](Database& database) { return write_batch(database, batch); };
    file_.write(write, with_value(updated, std::move(done)));
}

void SqliteBatchStore::find_batch(std::string tenant, std::string id, Done<BatchRecord> done) {
    file_.read<BatchRecord>([tenant = std::move(tenant), id = std::move(id)](Database& database) -> Result<BatchRecord> {
        WEFT_TRY(auto query, database.prepare("SELECT number, id, tenant, state, running FROM batches WHERE id = ?1 AND tenant = ?2"));
        WEFT_TRY(const bool known, query.bind(1, id).bind(2, tenant).step());
        if (!known) return nothing_there();
        return read_batch_row(query);
    }, std::move(done));
}

void SqliteBatchStore::list_batches(PageQuery query, Done<std::vector<BatchRecord>> done) {
    file_.read<std::vector<BatchRecord>>([query = std::move(query)](Database& database) -> Result<std::vector<BatchRecord>> {
        WEFT_CHECK(check_cursor(database, "batches", query));
        WEFT_TRY(auto statement, database.prepare(page_of("number, id, tenant, state, running", "batches", query)));
        bind_page(statement, query);
        return all_rows(statement, read_batch_row);
    }, std::move(done));
}

Result<std::vector<BatchRecord>> SqliteBatchStore::running_batches() {
    WEFT_TRY(auto query, file_.database_at_start().prepare("SELECT number, id, tenant, state, running FROM batches WHERE running = 1 ORDER BY number"));
    return all_rows(query, read_batch_row);
}

void SqliteBatchStore::add_answer(std::int64_t batch_number, BatchAnswer answer, Done<bool> done) {
    auto added = std::make_shared<bool>(false);
    const auto write = [added, batch_number, answer = std::make_shared<const BatchAnswer>(std::move(answer))](Database& database) -> Result<void> {
        WEFT_TRY(auto insert, database.prepare("INSERT INTO batch_answers(batch, line, failed, answer) VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING"));
        WEFT_CHECK(insert.bind(1, batch_number).bind(2, answer->line).bind(3, std::int64_t{answer->failed}).bind(4, answer->text).run());
        *added = database.changed_rows() > 0;
        return {};
    };
    file_.write(write, with_value(added, std::move(done)));
}

void SqliteBatchStore::answers(std::int64_t batch_number, Done<std::vector<BatchAnswer>> done) {
    file_.read<std::vector<BatchAnswer>>([batch_number](Database& database) -> Result<std::vector<BatchAnswer>> {
        WEFT_TRY(auto query, database.prepare("SELECT line, failed, answer FROM batch_answers WHERE batch = ?1 ORDER BY line"));
        query.bind(1, batch_number);
        return all_rows<BatchAnswer>(query, [](const Statement& row) {
            return BatchAnswer{.line = row.integer(0), .failed = row.integer(1) != 0, .text = row.text(2)};
        });
    }, std::move(done));
}

void SqliteBatchStore::finish_batch(BatchRecord batch, std::vector<NewFile> results, Done<bool> done) {
    auto finished = std::make_shared<bool>(true);
    const auto write = [folder = folder_, batch = std::move(batch),
                        results = std::make_shared<const std::vector<NewFile>>(std::move(results))](Database& database) -> Result<void> {
        for (const auto& file : *results) {
            WEFT_CHECK(write_content(folder / file.row.id, file.content));
            WEFT_CHECK(insert_file(database, file.row));
        }
        WEFT_TRY(auto forget, database.prepare("DELETE FROM batch_answers WHERE batch = ?1"));
        WEFT_CHECK(forget.bind(1, batch.number).run());
        return write_batch(database, batch);
    };
    file_.write(write, with_value(finished, std::move(done)));
}

}  // namespace weft
