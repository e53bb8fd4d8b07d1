#include "store/sqlite_job_store.h"

#include <string_view>
#include <utility>

namespace weft {
namespace {

// The columns of read_row(), in its order.
constexpr std::string_view columns =
    "number, id, tenant, session_id, in_session, model, request_bytes, request_key, metadata, status, attempt, priority, "
    "created_ms, started_ms, finished_ms, deadline_ms, expires_ms, text, chunk_sizes, error_code, error_message, "
    "prompt_tokens, cached_tokens, completion_tokens, from_cache, callback_url, callback_state, callback_tries, callback_ms, "
    "thinking, tool_calls, tokens, pipeline, sources, trace, error_stage";

std::string select(std::string_view rest) { return "SELECT " + std::string(columns) + " FROM jobs " + std::string(rest); }

constexpr std::int64_t callbacks_looked_at = 20'000;  // for some whose tenant may have one more

// Seven bits a byte, the lowest first: most chunks are shorter than 128 bytes.
std::string packed(const std::vector<std::uint32_t>& sizes) {
    std::string bytes;
    bytes.reserve(sizes.size());
    for (std::uint32_t size : sizes) {
        for (; size >= 0x80; size >>= 7U) bytes += static_cast<char>(0x80U | (size & 0x7fU));
        bytes += static_cast<char>(size);
    }
    return bytes;
}

std::vector<std::uint32_t> unpacked(std::string_view bytes) {
    std::vector<std::uint32_t> sizes;
    std::uint32_t size = 0;
    unsigned shift = 0;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        size |= (byte & 0x7fU) << (shift & 31U);
        shift += 7;
        if (byte >= 0x80) continue;
        sizes.push_back(size);
        size = shift = 0;
    }
    return sizes;
}

JobRow read_row(const Statement& row) {
    const auto u32 = [&row](int column) { return static_cast<std::uint32_t>(row.integer(column)); };
    return {.number = row.integer(0),
            .id = row.text(1),
            .tenant = row.text(2),
            .session_id = row.text(3),
            .in_session = row.integer(4) != 0,
            .model = row.text(5),
            .request_bytes = row.integer(6),
            .tokens = row.integer(31),
            .request_key = row.text(7),
            .metadata = row.text(8),
            .status = static_cast<JobStatus>(row.integer(9)),
            .attempt = u32(10),
            .priority = static_cast<std::int32_t>(row.integer(11)),
            .created_ms = row.integer(12),
            .started_ms = row.integer(13),
            .finished_ms = row.integer(14),
            .deadline_ms = row.integer(15),
            .expires_ms = row.integer(16),
            .output = {.text = row.text(17), .sizes = unpacked(row.text(18))},
            .thinking = row.text(29),
            .tool_calls = row.text(30),
            .error_code = row.text(19),
            .error_message = row.text(20),
            .prompt_tokens = u32(21),
            .cached_tokens = u32(22),
            .completion_tokens = u32(23),
            .from_cache = row.integer(24) != 0,
            .callback_url = row.text(25),
            .callback_state = static_cast<CallbackState>(row.integer(26)),
            .callback_tries = u32(27),
            .callback_ms = row.integer(28),
            .pipeline = row.text(32),
            .sources = row.text(33),
            .trace = row.text(34),
            .error_stage = row.text(35)};
}

Result<std::int64_t> insert_job(Database& database, const JobRow& job) {
    WEFT_TRY(auto insert, database.prepare(
        "INSERT INTO jobs(id, tenant, session_id, in_session, model, request, request_bytes, request_key, metadata, status, attempt, "
        "priority, created_ms, started_ms, finished_ms, deadline_ms, expires_ms, text, chunk_sizes, error_code, error_message, "
        "prompt_tokens, cached_tokens, completion_tokens, from_cache, callback_url, callback_state, callback_tries, callback_ms, "
        "thinking, tool_calls, tokens, pipeline) "
        "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25,?26,?27,?28,?29,?30,?31,?32,?33)"));
    insert.bind(1, job.id).bind(2, job.tenant).bind(3, job.session_id).bind(4, std::int64_t{job.in_session}).bind(5, job.model);
    insert.bind(6, job.request).bind(7, static_cast<std::int64_t>(job.request.size())).bind(8, job.request_key).bind(9, job.metadata);
    insert.bind(10, static_cast<std::int64_t>(job.status)).bind(11, std::int64_t{job.attempt}).bind(12, std::int64_t{job.priority});
    insert.bind(13, job.created_ms).bind(14, job.started_ms).bind(15, job.finished_ms).bind(16, job.deadline_ms).bind(17, job.expires_ms);
    insert.bind(18, job.output.text).bind_blob(19, packed(job.output.sizes)).bind(20, job.error_code).bind(21, job.error_message);
    insert.bind(22, std::int64_t{job.prompt_tokens}).bind(23, std::int64_t{job.cached_tokens}).bind(24, std::int64_t{job.completion_tokens});
    insert.bind(25, std::int64_t{job.from_cache}).bind(26, job.callback_url).bind(27, static_cast<std::int64_t>(job.callback_state));
    insert.bind(28, std::int64_t{job.callback_tries}).bind(29, job.callback_ms).bind(30, job.thinking).bind(31, job.tool_calls);
    insert.bind(32, job.tokens).bind(33, job.pipeline);
    WEFT_CHECK(insert.run());
    return database.last_row();
}

// Of a session s: whether a job that goes on with it is not finished.
constexpr std::string_view in_use =
    "EXISTS(SELECT 1 FROM jobs j WHERE j.tenant = s.tenant AND j.session_id = s.id AND j.in_session = 1 AND j.status < 2)";

std::unexpected<Error> unknown_cursor() { return fail_field(ErrorCode::invalid_request, "after", "'after' is not the id of one of your jobs"); }

// The job that has the key, if any; a key whose time is over is free again.
Result<std::optional<AddedJob>> look_for_key(Database& database, const KeyQuery& query) {
    WEFT_TRY(auto find, database.prepare("SELECT job_id, body_hash FROM idempotency_keys WHERE tenant=?1 AND key=?2 AND expires_ms > ?3"));
    WEFT_TRY(const bool known, find.bind(1, query.tenant).bind(2, query.key).bind(3, query.now_ms).step());
    if (!known) return std::nullopt;
    return AddedJob{.existing_id = find.text(0), .same_body = find.text(1) == query.body_hash};
}

Result<void> take_key(Database& database, const NewJob& job) {
    WEFT_TRY(auto claim, database.prepare("INSERT OR REPLACE INTO idempotency_keys(tenant, key, body_hash, job_id, expires_ms) "
                                          "VALUES(?1, ?2, ?3, ?4, ?5)"));
    claim.bind(1, job.row.tenant).bind(2, job.idempotency_key).bind(3, job.body_hash).bind(4, job.row.id).bind(5, job.key_expires_ms);
    return claim.run();
}

Result<void> forget_text(Database& database, std::int64_t number) {
    WEFT_TRY(auto forget, database.prepare("DELETE FROM kept_text WHERE job = ?1"));
    return forget.bind(1, number).run();
}

Result<bool> write_end(Database& database, const JobMark& mark, const JobEnd& end) {
    WEFT_TRY(auto update, database.prepare(
        "UPDATE jobs SET status=?3, text=?4, chunk_sizes=?5, error_code=?6, error_message=?7, prompt_tokens=?8, cached_tokens=?9, "
        "completion_tokens=?10, finished_ms=?11, expires_ms=?12, callback_state=?13, callback_ms=?11, request='', attempt=?2, "
        "thinking=?14, tool_calls=?15, sources=?16, trace=?17, error_stage=?18 "
        "WHERE number=?1 AND attempt <= ?2 AND status < 2"));
    update.bind(1, mark.number).bind(2, std::int64_t{mark.attempt}).bind(3, static_cast<std::int64_t>(end.status));
    update.bind(4, end.output.text).bind_blob(5, packed(end.output.sizes)).bind(6, end.error_code).bind(7, end.error_message);
    update.bind(8, std::int64_t{end.prompt_tokens}).bind(9, std::int64_t{end.cached_tokens}).bind(10, std::int64_t{end.completion_tokens});
    update.bind(11, end.finished_ms).bind(12, end.expires_ms);
    update.bind(13, static_cast<std::int64_t>(end.callback_due ? CallbackState::due : CallbackState::none));
    update.bind(14, end.thinking).bind(15, end.tool_calls).bind(16, end.sources).bind(17, end.trace).bind(18, end.error_stage);
    WEFT_CHECK(update.run());
    return database.changed_rows() > 0;
}

// A session that was deleted or has expired meanwhile stays so.
Result<void> add_turns(Database& database, const JobMark& mark, const JobEnd& end) {
    WEFT_TRY(auto find, database.prepare("SELECT s.number, j.id, (SELECT coalesce(max(place), -1) FROM turns WHERE session = s.number) "
                                         "FROM jobs j JOIN sessions s ON s.tenant = j.tenant AND s.id = ?2 WHERE j.number = ?1"));
    WEFT_TRY(const bool known, find.bind(1, mark.number).bind(2, end.session_id).step());
    if (!known) return {};
    const auto session = find.integer(0);
    const auto job_id = find.text(1);
    auto place = find.integer(2);
    WEFT_TRY(auto insert, database.prepare("INSERT INTO turns(session, place, role, content, job_id, message) "
                                           "VALUES(?1, ?2, ?3, ?4, ?5, ?6)"));
    for (const auto& turn : end.turns) {
        insert.bind(1, session).bind(2, ++place).bind(3, turn.role).bind(4, turn.content).bind(5, job_id);
        WEFT_CHECK(insert.bind(6, turn.message).run());
    }
    WEFT_TRY(auto touch, database.prepare("UPDATE sessions SET expires_ms = ?2 + lifetime_ms WHERE number = ?1"));
    return touch.bind(1, session).bind(2, end.finished_ms).run();
}

// The value that a write found, for the caller who waits for its commit.
template <typename T>
GroupCommit::Done hand_over(std::shared_ptr<T> value, JobStore::Done<T> done) {
    return [value = std::move(value), done = std::move(done)](Result<void> written) {
        if (!written) return done(std::unexpected(std::move(written).error()));
        done(std::move(*value));
    };
}

Result<std::vector<SessionTurn>> read_turns(Database& database, std::int64_t session) {
    WEFT_TRY(auto query, database.prepare("SELECT role, content, message FROM turns WHERE session = ?1 ORDER BY place"));
    query.bind(1, session);
    std::vector<SessionTurn> turns;
    for (;;) {
        WEFT_TRY(const bool more, query.step());
        if (!more) return turns;
        turns.push_back({.role = query.text(0), .content = query.text(1), .message = query.text(2)});
    }
}

// Its number; 0 when the page begins with the newest one.
Result<std::int64_t> find_cursor(Database& database, const JobQuery& query) {
    if (query.after_id.empty()) return 0;
    WEFT_TRY(auto find, database.prepare("SELECT number FROM jobs WHERE id = ?1 AND tenant = ?2"));
    WEFT_TRY(const bool known, find.bind(1, query.after_id).bind(2, query.tenant).step());
    if (!known) return unknown_cursor();
    return find.integer(0);
}

Result<JobPage> read_page(Database& database, const JobQuery& query) {
    WEFT_TRY(const auto before, find_cursor(database, query));
    std::string where = "WHERE tenant = ?1 AND (status < 2 OR expires_ms > ?6)";
    if (query.status) where += " AND status = ?2";
    if (!query.session_id.empty()) where += " AND session_id = ?3";
    if (before > 0) where += " AND number < ?4";
    WEFT_TRY(auto statement, database.prepare(select(where + " ORDER BY number DESC LIMIT ?5")));
    statement.bind(1, query.tenant).bind(5, static_cast<std::int64_t>(query.limit + 1)).bind(6, query.now_ms);
    if (query.status) statement.bind(2, static_cast<std::int64_t>(*query.status));
    if (!query.session_id.empty()) statement.bind(3, query.session_id);
    if (before > 0) statement.bind(4, before);
    JobPage page;
    for (std::size_t bytes = 0;;) {
        WEFT_TRY(const bool more, statement.step());
        if (!more) return page;
        page.has_more = page.rows.size() == query.limit || bytes >= max_page_bytes;
        if (page.has_more) {
            statement.reset();
            return page;
        }
        page.rows.push_back(read_row(statement));
        const auto& row = page.rows.back();
        bytes += row.output.text.size() + row.thinking.size() + row.tool_calls.size() + row.sources.size();
    }
}

}  // namespace

void SqliteJobStore::add(NewJob job, Done<AddedJob> done) {
    auto added = std::make_shared<AddedJob>();
    const auto write = [&file = file_, added, job = std::make_shared<const NewJob>(std::move(job))](Database& database) -> Result<void> {
        WEFT_CHECK(file.check_room(database));
        *added = {};
        if (!job->idempotency_key.empty()) {
            const KeyQuery key{.tenant = job->row.tenant, .key = job->idempotency_key, .body_hash = job->body_hash, .now_ms = job->row.created_ms};
            WEFT_TRY(auto existing, look_for_key(database, key));
            if (existing) {
                *added = std::move(*existing);
                return {};
            }
            WEFT_CHECK(take_key(database, *job));
        }
        WEFT_TRY(added->number, insert_job(database, job->row));
        return {};
    };
    file_.write(write, hand_over(added, std::move(done)));
}

void SqliteJobStore::start(JobMark mark, std::int64_t now_ms, Done<bool> done) {
    auto started = std::make_shared<bool>(false);
    const auto write = [started, mark, now_ms](Database& database) -> Result<void> {
        WEFT_TRY(auto update, database.prepare("UPDATE jobs SET status=1, attempt=?2, started_ms=?3 "
                                               "WHERE number=?1 AND attempt < ?2 AND status < 2"));
        WEFT_CHECK(update.bind(1, mark.number).bind(2, std::int64_t{mark.attempt}).bind(3, now_ms).run());
        *started = database.changed_rows() > 0;
        return *started ? forget_text(database, mark.number) : Result<void>{};
    };
    file_.write(write, hand_over(started, std::move(done)));
}

void SqliteJobStore::keep_text(JobMark mark, std::size_t first_chunk, ChunkedText more, Done<std::size_t> done) {
    const auto kept = std::make_shared<Result<std::size_t>>(first_chunk + more.sizes.size());
    const auto write = [kept, mark, first_chunk, more = std::make_shared<const ChunkedText>(std::move(more))](Database& database) -> Result<void> {
        WEFT_TRY(auto insert, database.prepare("INSERT INTO kept_text(job, attempt, first_chunk, text, chunk_sizes) "
                                               "SELECT number, attempt, ?3, ?4, ?5 FROM jobs WHERE number=?1 AND attempt=?2 AND status < 2"));
        insert.bind(1, mark.number).bind(2, std::int64_t{mark.attempt}).bind(3, static_cast<std::int64_t>(first_chunk));
        WEFT_CHECK(insert.bind(4, more->text).bind_blob(5, packed(more->sizes)).run());
        // Not the write's failure: others may share its transaction.
        if (database.changed_rows() == 0) *kept = fail(ErrorCode::conflict, "the job is not at that attempt");
        return {};
    };
    file_.write(write, [kept, done = std::move(done)](Result<void> written) {
        if (!written) return done(std::unexpected(std::move(written).error()));
        done(std::move(*kept));
    });
}

void SqliteJobStore::finish(JobMark mark, JobEnd end, Done<bool> done) {
    auto finished = std::make_shared<bool>(false);
    const auto write = [finished, mark, end = std::make_shared<const JobEnd>(std::move(end))](Database& database) -> Result<void> {
        WEFT_TRY(*finished, write_end(database, mark, *end));
        if (!*finished) return {};
        if (!end->turns.empty()) WEFT_CHECK(add_turns(database, mark, *end));
        return forget_text(database, mark.number);
    };
    file_.write(write, hand_over(finished, std::move(done)));
}

void SqliteJobStore::remove(std::int64_t number, Done<bool> done) {
    auto removed = std::make_shared<bool>(false);
    const auto write = [removed, number](Database& database) -> Result<void> {
        WEFT_TRY(auto forget, database.prepare("DELETE FROM idempotency_keys WHERE job_id = (SELECT id FROM jobs WHERE number = ?1 AND status >= 2)"));
        WEFT_CHECK(forget.bind(1, number).run());
        WEFT_TRY(auto remove, database.prepare("DELETE FROM jobs WHERE number = ?1 AND status >= 2"));
        WEFT_CHECK(remove.bind(1, number).run());
        *removed = database.changed_rows() > 0;
        return {};
    };
    file_.write(write, hand_over(removed, std::move(done)));
}

void SqliteJobStore::callback_tried(std::int64_t number, CallbackState state, std::uint32_t tries, std::int64_t next_ms, Done<void> done) {
    const auto write = [number, state, tries, next_ms](Database& database) -> Result<void> {
        WEFT_TRY(auto update, database.prepare("UPDATE jobs SET callback_state=?2, callback_tries=?3, callback_ms=?4 WHERE number=?1"));
        return update.bind(1, number).bind(2, static_cast<std::int64_t>(state)).bind(3, std::int64_t{tries}).bind(4, next_ms).run();
    };
    file_.write(write, std::move(done));
}

void SqliteJobStore::find(std::string id, Done<FoundJob> done) {
    file_.read<FoundJob>([id = std::move(id)](Database& database) -> Result<FoundJob> {
        FoundJob found;
        WEFT_TRY(auto query, database.prepare(select("WHERE id = ?1")));
        WEFT_TRY(const bool known, query.bind(1, id).step());
        if (known) {
            found.row = read_row(query);
            return found;
        }
        WEFT_TRY(auto past, database.prepare("SELECT tenant FROM expired_jobs WHERE id = ?1"));
        WEFT_TRY(found.expired, past.bind(1, id).step());
        if (found.expired) found.expired_tenant = past.text(0);
        return found;
    }, std::move(done));
}

void SqliteJobStore::list(JobQuery query, Done<JobPage> done) {
    file_.read<JobPage>([query = std::move(query)](Database& database) { return read_page(database, query); }, std::move(done));
}

void SqliteJobStore::find_key(KeyQuery query, Done<std::optional<AddedJob>> done) {
    using Found = std::optional<AddedJob>;
    file_.read<Found>([query = std::move(query)](Database& database) { return look_for_key(database, query); }, std::move(done));
}

void SqliteJobStore::load_request(std::int64_t number, Done<std::string> done) {
    file_.read<std::string>([number](Database& database) -> Result<std::string> {
        WEFT_TRY(auto query, database.prepare("SELECT request FROM jobs WHERE number = ?1"));
        WEFT_TRY(const bool known, query.bind(1, number).step());
        if (!known) return fail(ErrorCode::not_found, "there is no such job");
        return query.text(0);
    }, std::move(done));
}

void SqliteJobStore::due_callbacks(std::int64_t now_ms, CallbackRoom room, Done<std::vector<JobRow>> done) {
    file_.read<std::vector<JobRow>>([now_ms, room = std::move(room)](Database& database) -> Result<std::vector<JobRow>> {
        auto left = room;
        std::vector<JobRow> rows;
        WEFT_TRY(auto due, database.prepare("SELECT number, tenant FROM jobs WHERE callback_state = 1 AND callback_ms <= ?1 ORDER BY callback_ms LIMIT ?2"));
        due.bind(1, now_ms).bind(2, callbacks_looked_at);
        while (left.callbacks > 0) {
            WEFT_TRY(const bool more, due.step());
            if (!more) break;
            if (!left.take(due.integer(0), due.text(1))) continue;
            WEFT_TRY(auto query, database.prepare(select("WHERE number = ?1")));
            WEFT_TRY(const bool found, query.bind(1, due.integer(0)).step());
            if (found) rows.push_back(read_row(query));
        }
        return rows;
    }, std::move(done));
}

Result<std::size_t> SqliteJobStore::take_up(const std::function<void(JobRow)>& take) {
    WEFT_TRY(auto query, file_.database_at_start().prepare(select("WHERE status < 2 ORDER BY number")));
    for (std::size_t taken = 0;; ++taken) {
        WEFT_TRY(const bool more, query.step());
        if (!more) return taken;
        take(read_row(query));
    }
}

Result<ChunkedText> SqliteJobStore::kept_text(JobMark mark) {
    WEFT_TRY(auto query, file_.database_at_start().prepare("SELECT text, chunk_sizes FROM kept_text WHERE job=?1 AND attempt=?2 ORDER BY first_chunk"));
    query.bind(1, mark.number).bind(2, std::int64_t{mark.attempt});
    ChunkedText kept;
    for (;;) {
        WEFT_TRY(const bool more, query.step());
        if (!more) return kept;
        kept.text += query.text(0);
        for (const auto size : unpacked(query.text(1))) kept.sizes.push_back(size);
    }
}

void SqliteJobStore::add_session(SessionRow session, Done<void> done) {
    const auto write = [&file = file_, session = std::make_shared<const SessionRow>(std::move(session))](Database& database) -> Result<void> {
        WEFT_CHECK(file.check_room(database));
        WEFT_TRY(auto insert, database.prepare("INSERT INTO sessions(id, tenant, system, model, created_ms, lifetime_ms, expires_ms, pipeline) "
                                               "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING"));
        insert.bind(1, session->id).bind(2, session->tenant).bind(3, session->system).bind(4, session->model);
        WEFT_CHECK(insert.bind(5, session->created_ms).bind(6, session->lifetime_ms).bind(7, session->expires_ms).bind(8, session->pipeline).run());
        if (database.changed_rows() == 0) return fail(ErrorCode::conflict, "the session exists already");
        return {};
    };
    file_.write(write, std::move(done));
}

void SqliteJobStore::find_session(std::string tenant, std::string id, Done<std::optional<SessionRow>> done) {
    using Found = std::optional<SessionRow>;
    file_.read<Found>([tenant = std::move(tenant), id = std::move(id)](Database& database) -> Result<Found> {
        WEFT_TRY(auto query, database.prepare("SELECT number, system, model, created_ms, lifetime_ms, expires_ms, pipeline, " + std::string(in_use) +
                                              " FROM sessions s WHERE s.tenant = ?1 AND s.id = ?2"));
        WEFT_TRY(const bool known, query.bind(1, tenant).bind(2, id).step());
        if (!known) return std::nullopt;
        SessionRow session{.id = id, .tenant = tenant, .system = query.text(1), .model = query.text(2), .created_ms = query.integer(3),
                           .lifetime_ms = query.integer(4), .expires_ms = query.integer(5)};
        session.pipeline = query.text(6);
        session.in_use = query.integer(7) != 0;
        WEFT_TRY(session.turns, read_turns(database, query.integer(0)));
        return session;
    }, std::move(done));
}

void SqliteJobStore::remove_session(std::string tenant, std::string id, Done<bool> done) {
    auto removed = std::make_shared<bool>(false);
    const auto write = [removed, tenant = std::move(tenant), id = std::move(id)](Database& database) -> Result<void> {
        WEFT_TRY(auto turns, database.prepare("DELETE FROM turns WHERE session = (SELECT number FROM sessions WHERE tenant=?1 AND id=?2)"));
        WEFT_CHECK(turns.bind(1, tenant).bind(2, id).run());
        WEFT_TRY(auto session, database.prepare("DELETE FROM sessions WHERE tenant=?1 AND id=?2"));
        WEFT_CHECK(session.bind(1, tenant).bind(2, id).run());
        *removed = database.changed_rows() > 0;
        return {};
    };
    file_.write(write, hand_over(removed, std::move(done)));
}

void SqliteJobStore::expire(std::int64_t now_ms, std::int64_t remember_until_ms, std::size_t limit, Done<std::size_t> done) {
    auto expired = std::make_shared<std::size_t>(0);
    const auto write = [expired, now_ms, remember_until_ms, limit](Database& database) -> Result<void> {
        static const std::string keep_used = "UPDATE sessions AS s SET expires_ms = ?1 + lifetime_ms WHERE expires_ms <= ?1 AND " + std::string(in_use);
        const std::string_view steps[] = {
            "INSERT OR REPLACE INTO expired_jobs(id, tenant, forget_ms) SELECT id, tenant, ?2 FROM jobs "
            "WHERE status >= 2 AND expires_ms <= ?1 ORDER BY expires_ms, number LIMIT ?3",
            "DELETE FROM jobs WHERE number IN (SELECT number FROM jobs WHERE status >= 2 AND expires_ms <= ?1 ORDER BY expires_ms, number LIMIT ?3)",
            "DELETE FROM expired_jobs WHERE forget_ms <= ?1",
            "DELETE FROM idempotency_keys WHERE expires_ms <= ?1",
            keep_used,
            "DELETE FROM turns WHERE session IN (SELECT number FROM sessions WHERE expires_ms <= ?1)",
            "DELETE FROM sessions WHERE expires_ms <= ?1",
        };
        for (std::size_t i = 0; i < std::size(steps); ++i) {
            WEFT_TRY(auto step, database.prepare(steps[i]));
            step.bind(1, now_ms);
            if (i == 0) step.bind(2, remember_until_ms);
            if (i <= 1) step.bind(3, static_cast<std::int64_t>(limit));
            WEFT_CHECK(step.run());
            if (i == 1) *expired = static_cast<std::size_t>(database.changed_rows());
        }
        return {};
    };
    file_.write(write, hand_over(expired, std::move(done)));
}

}  // namespace weft
