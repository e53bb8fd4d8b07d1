#include "store/schema.h"

#include <array>
#include <string>

namespace weft {
namespace {

// Times are milliseconds since 1970, 0 for none. Statuses are those of JobStatus: 0 and 1 are alive, the rest is final.
constexpr const char* version_1 = R"(
CREATE TABLE jobs(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    session_id TEXT NOT NULL,
    in_session INTEGER NOT NULL,
    model TEXT NOT NULL,
    request TEXT NOT NULL,
    request_bytes INTEGER NOT NULL,
    request_key TEXT NOT NULL,
    metadata TEXT NOT NULL,
    status INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    finished_ms INTEGER NOT NULL,
    deadline_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    text TEXT NOT NULL,
    chunk_sizes BLOB NOT NULL,
    error_code TEXT NOT NULL,
    error_message TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    from_cache INTEGER NOT NULL,
    callback_url TEXT NOT NULL,
    callback_state INTEGER NOT NULL,
    callback_tries INTEGER NOT NULL,
    callback_ms INTEGER NOT NULL);
CREATE INDEX jobs_alive ON jobs(number) WHERE status < 2;
CREATE INDEX jobs_of_tenant ON jobs(tenant, number);
CREATE INDEX jobs_of_session ON jobs(tenant, session_id, number);
CREATE INDEX jobs_by_expiry ON jobs(expires_ms) WHERE status >= 2;
CREATE INDEX jobs_by_callback ON jobs(callback_ms) WHERE callback_state = 1;

CREATE TABLE kept_text(
    job INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    first_chunk INTEGER NOT NULL,
    text TEXT NOT NULL,
    chunk_sizes BLOB NOT NULL,
    PRIMARY KEY(job, attempt, first_chunk)) WITHOUT ROWID;

CREATE TABLE idempotency_keys(
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    job_id TEXT NOT NULL,
    expires_ms INTEGER NOT NULL,
    PRIMARY KEY(tenant, key)) WITHOUT ROWID;
CREATE INDEX idempotency_by_job ON idempotency_keys(job_id);
CREATE INDEX idempotency_by_expiry ON idempotency_keys(expires_ms);

CREATE TABLE expired_jobs(
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    forget_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX expired_by_age ON expired_jobs(forget_ms);

CREATE TABLE sessions(
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    system TEXT NOT NULL,
    model TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    lifetime_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    UNIQUE(tenant, id));
CREATE INDEX sessions_by_expiry ON sessions(expires_ms);
CREATE TABLE turns(
    session INTEGER NOT NULL,
    place INTEGER NOT NULL,
    role TEXT NOT NULL,
    content TEXT NOT NULL,
    job_id TEXT NOT NULL,
    PRIMARY KEY(session, place)) WITHOUT ROWID;

CREATE TABLE files(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    filename TEXT NOT NULL,
    purpose TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    created_s INTEGER NOT NULL,
    expires_s INTEGER NOT NULL);
CREATE INDEX files_of_tenant ON files(tenant, number);
CREATE INDEX files_by_expiry ON files(expires_s) WHERE expires_s > 0;

CREATE TABLE batches(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    state TEXT NOT NULL,
    running INTEGER NOT NULL,
    expires_s INTEGER NOT NULL);
CREATE INDEX batches_of_tenant ON batches(tenant, number);
CREATE INDEX batches_running ON batches(number) WHERE running = 1;
CREATE INDEX batches_by_expiry ON batches(expires_s) WHERE expires_s > 0;
CREATE TABLE batch_answers(
    batch INTEGER NOT NULL,
    line INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY(batch, line)) WITHOUT ROWID;
)";

// Answers are more than text.
constexpr const char* version_2 = R"(
ALTER TABLE jobs ADD COLUMN thinking TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN tool_calls TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE turns ADD COLUMN message TEXT NOT NULL DEFAULT '';
)";

// Pipelines and documents. Words in passage_words begin with the number of the key whose they are, so that nobody's search
// meets another's words; the tokenizer only has to part them at blanks.
constexpr const char* version_3 = R"(
ALTER TABLE jobs ADD COLUMN pipeline TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN sources TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN trace TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN error_stage TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN pipeline TEXT NOT NULL DEFAULT '';

CREATE TABLE document_keys(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL UNIQUE,
    documents INTEGER NOT NULL,
    passages INTEGER NOT NULL,
    bytes INTEGER NOT NULL);
CREATE TABLE documents(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    content_type TEXT NOT NULL,
    metadata TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    passages INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    embedding TEXT NOT NULL,
    dimensions INTEGER NOT NULL);
CREATE INDEX documents_of_tenant ON documents(tenant, number);
CREATE INDEX documents_by_name ON documents(tenant, name);
CREATE TABLE passages(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL,
    place INTEGER NOT NULL,
    start INTEGER NOT NULL,
    text TEXT NOT NULL,
    vector BLOB NOT NULL);
CREATE INDEX passages_of_document ON passages(document, place);
CREATE VIRTUAL TABLE passage_words USING fts5(words, content='', contentless_delete=1, tokenize='ascii');
)";

// Stored answers, written down by their service. used_s: Unix seconds.
constexpr const char* version_4 = R"(
CREATE TABLE responses(
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    used_s INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY(tenant, id));
CREATE INDEX responses_by_use ON responses(used_s);
)";

constexpr std::array<const char*, schema_version> migrations{version_1, version_2, version_3, version_4};

}  // namespace

Result<void> migrate(Database& database, int to) {
    WEFT_TRY(const auto version, database.number("PRAGMA user_version"));
    if (version > schema_version)
        return std::unexpected(Error{.code = ErrorCode::internal,
                                     .message = "the job store is of a newer version of this program",
                                     .detail = "schema " + std::to_string(version) + ", known up to " + std::to_string(schema_version)});
    if (version >= to) return {};
    WEFT_CHECK(database.execute("BEGIN IMMEDIATE"));
    for (auto step = version; step < to; ++step)
        if (auto done = database.execute(migrations[static_cast<std::size_t>(step)]); !done) return done;
    WEFT_CHECK(database.execute(("PRAGMA user_version = " + std::to_string(to)).c_str()));
    return database.execute("COMMIT");
}

}  // namespace weft
