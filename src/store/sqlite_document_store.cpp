#include "store/sqlite_document_store.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include "store/search_words.h"

namespace weft {
namespace {

constexpr std::string_view document_columns =
    "number, id, tenant, name, content_type, metadata, bytes, passages, created_ms, embedding, dimensions";

std::unexpected<Error> no_document() { return fail_field(ErrorCode::not_found, "id", "there is no such document"); }

std::string select_documents(std::string_view rest) {
    return "SELECT " + std::string(document_columns) + " FROM documents " + std::string(rest);
}

DocumentRow read_document(const Statement& row) {
    return {.number = row.integer(0), .id = row.text(1), .tenant = row.text(2), .name = row.text(3), .content_type = row.text(4),
            .metadata = row.text(5), .bytes = row.integer(6), .passages = row.integer(7), .created_ms = row.integer(8),
            .embedding = row.text(9), .dimensions = static_cast<std::uint32_t>(row.integer(10))};
}

// Floats as the machine has them; the file stays on the machine.
std::string_view bytes_of(const std::vector<float>& vector) {
    return {reinterpret_cast<const char*>(vector.data()), vector.size() * sizeof(float)};
}

std::vector<float> floats_of(const std::string& bytes) {
    std::vector<float> vector(bytes.size() / sizeof(float));
    std::memcpy(vector.data(), bytes.data(), vector.size() * sizeof(float));
    return vector;
}

// Words of different keys are different words to the index: who looks for one never meets another's, not even in time.
std::string key_prefix(std::int64_t key) { return std::to_string(key) + "x"; }

std::string prefixed(std::string_view words, const std::string& prefix) {
    std::string out;
    out.reserve(words.size() * 2);
    while (!words.empty()) {
        const auto end = std::min(words.find(' '), words.size());
        out += prefix;
        out += words.substr(0, end);
        out += ' ';
        words.remove_prefix(std::min(end + 1, words.size()));
    }
    return out;
}

std::string list_of(const std::vector<std::int64_t>& numbers) {
    std::string out;
    for (const auto number : numbers) out += (out.empty() ? "" : ",") + std::to_string(number);
    return out;
}

std::unexpected<Error> beyond_quota(std::string_view what, std::uint64_t most) {
    return fail(ErrorCode::rate_limited, "your documents have " + std::string(what) + " than the " + std::to_string(most) + " that a key may have");
}

// The key's number, once its counters have been raised by the document's.
Result<std::int64_t> claim_room(Database& database, const NewDocument& document) {
    WEFT_TRY(auto make, database.prepare("INSERT INTO document_keys(tenant, documents, passages, bytes) VALUES(?1, 0, 0, 0) ON CONFLICT DO NOTHING"));
    WEFT_CHECK(make.bind(1, document.row.tenant).run());
    WEFT_TRY(auto find, database.prepare("SELECT number, documents, passages, bytes FROM document_keys WHERE tenant = ?1"));
    WEFT_TRY(const bool known, find.bind(1, document.row.tenant).step());
    if (!known) return fail(ErrorCode::internal, "the server's store has failed");
    const auto key = find.integer(0);
    const auto& quota = document.quota;
    if (static_cast<std::uint64_t>(find.integer(1)) + 1 > quota.documents) return beyond_quota("more documents", quota.documents);
    if (static_cast<std::uint64_t>(find.integer(2)) + document.passages.size() > quota.passages) return beyond_quota("more passages", quota.passages);
    if (static_cast<std::uint64_t>(find.integer(3) + document.row.bytes) > quota.bytes) return beyond_quota("more bytes of text", quota.bytes);
    WEFT_TRY(auto raise, database.prepare("UPDATE document_keys SET documents = documents + 1, passages = passages + ?2, bytes = bytes + ?3 WHERE number = ?1"));
    WEFT_CHECK(raise.bind(1, key).bind(2, static_cast<std::int64_t>(document.passages.size())).bind(3, document.row.bytes).run());
    return key;
}

Result<std::int64_t> insert_document(Database& database, const NewDocument& document) {
    const auto& row = document.row;
    WEFT_TRY(auto insert, database.prepare("INSERT INTO documents(id, tenant, name, content_type, metadata, bytes, passages, created_ms, embedding, dimensions) "
                                           "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"));
    insert.bind(1, row.id).bind(2, row.tenant).bind(3, row.name).bind(4, row.content_type).bind(5, row.metadata).bind(6, row.bytes);
    insert.bind(7, static_cast<std::int64_t>(document.passages.size())).bind(8, row.created_ms).bind(9, row.embedding);
    WEFT_CHECK(insert.bind(10, std::int64_t{row.dimensions}).run());
    return database.last_row();
}

Result<AddedDocument> write_document(Database& database, const NewDocument& document) {
    WEFT_TRY(const auto key, claim_room(database, document));
    AddedDocument added;
    WEFT_TRY(added.number, insert_document(database, document));
    WEFT_TRY(auto passage, database.prepare("INSERT INTO passages(document, place, start, text, vector) VALUES(?1, ?2, ?3, ?4, ?5)"));
    WEFT_TRY(auto words, database.prepare("INSERT INTO passage_words(rowid, words) VALUES(?1, ?2)"));
    const auto prefix = key_prefix(key);
    std::int64_t place = 0;
    for (const auto& one : document.passages) {
        passage.bind(1, added.number).bind(2, place).bind(3, one.start).bind(4, one.text).bind_blob(5, bytes_of(one.vector));
        WEFT_CHECK(passage.run());
        const auto number = database.last_row();
        if (place++ == 0) added.first_passage = number;
        WEFT_CHECK(words.bind(1, number).bind(2, prefixed(one.words, prefix)).run());
    }
    return added;
}

Result<DocumentRow> find_document(Database& database, const std::string& tenant, const std::string& id) {
    WEFT_TRY(auto query, database.prepare(select_documents("WHERE id = ?1 AND tenant = ?2")));
    WEFT_TRY(const bool known, query.bind(1, id).bind(2, tenant).step());
    if (!known) return no_document();
    return read_document(query);
}

Result<DocumentRow> erase_document(Database& database, const std::string& tenant, const std::string& id) {
    WEFT_TRY(auto row, find_document(database, tenant, id));
    constexpr std::string_view steps[] = {
        "DELETE FROM passage_words WHERE rowid IN (SELECT number FROM passages WHERE document = ?1)",
        "DELETE FROM passages WHERE document = ?1",
        "UPDATE document_keys SET documents = documents - 1, passages = passages - (SELECT passages FROM documents WHERE number = ?1), "
        "bytes = bytes - (SELECT bytes FROM documents WHERE number = ?1) WHERE tenant = (SELECT tenant FROM documents WHERE number = ?1)",
        "DELETE FROM document_keys WHERE documents = 0 AND tenant = (SELECT tenant FROM documents WHERE number = ?1)",
        "DELETE FROM documents WHERE number = ?1",
    };
    for (const auto sql : steps) {
        WEFT_TRY(auto step, database.prepare(sql));
        WEFT_CHECK(step.bind(1, row.number).run());
    }
    return row;
}

Result<std::vector<std::int64_t>> numbers_in(Statement& statement) {
    std::vector<std::int64_t> numbers;
    for (;;) {
        WEFT_TRY(const bool more, statement.step());
        if (!more) return numbers;
        numbers.push_back(statement.integer(0));
    }
}

Result<std::vector<std::int64_t>> match_words(Database& database, const std::string& tenant, const std::string& words,
                                              const std::vector<std::int64_t>& documents, std::size_t limit) {
    WEFT_TRY(auto key, database.prepare("SELECT number FROM document_keys WHERE tenant = ?1"));
    WEFT_TRY(const bool known, key.bind(1, tenant).step());
    std::string match;
    // Words hold letters and digits only, so nothing in them means anything to FTS5.
    if (known)
        for (const auto& word : distinct_words(words, max_query_words))
            match += (match.empty() ? "\"" : " OR \"") + key_prefix(key.integer(0)) + word + "\"";
    if (match.empty()) return std::vector<std::int64_t>{};
    std::string sql = "SELECT rowid FROM passage_words WHERE passage_words MATCH ?1";
    if (!documents.empty()) sql += " AND rowid IN (SELECT number FROM passages WHERE document IN (" + list_of(documents) + "))";
    WEFT_TRY(auto query, database.prepare(sql + " ORDER BY rank, rowid LIMIT ?2"));
    query.bind(1, match).bind(2, static_cast<std::int64_t>(limit));
    return numbers_in(query);
}

Result<std::vector<FoundPassage>> read_passages(Database& database, const std::string& tenant, const std::vector<std::int64_t>& numbers) {
    WEFT_TRY(auto query, database.prepare("SELECT p.number, p.document, d.id, d.name, d.metadata, p.place, p.start, p.text FROM passages p "
                                          "JOIN documents d ON d.number = p.document WHERE p.number = ?1 AND d.tenant = ?2"));
    std::vector<FoundPassage> found;
    for (const auto number : numbers) {
        WEFT_TRY(const bool known, query.bind(1, number).bind(2, tenant).step());
        if (!known) continue;
        found.push_back({.number = query.integer(0), .document = query.integer(1), .document_id = query.text(2), .document_name = query.text(3),
                         .document_metadata = query.text(4), .place = query.integer(5), .start = query.integer(6), .text = query.text(7)});
        query.reset();
    }
    return found;
}

Result<VectorPage> read_vectors(Database& database, const std::string& tenant, const std::string& embedding, std::int64_t after, std::size_t limit) {
    WEFT_TRY(auto documents, database.prepare("SELECT number FROM documents WHERE tenant = ?1 AND number > ?2 AND embedding = ?3 ORDER BY number"));
    WEFT_TRY(auto passages, database.prepare("SELECT number, document, vector FROM passages WHERE document = ?1 ORDER BY place"));
    documents.bind(1, tenant).bind(2, after).bind(3, embedding);
    VectorPage page{.last_document = after};
    for (;;) {
        WEFT_TRY(const bool more, documents.step());
        if (!more) return page;
        page.has_more = page.vectors.size() >= limit;
        if (page.has_more) {
            documents.reset();
            return page;
        }
        page.last_document = documents.integer(0);
        passages.bind(1, page.last_document);
        for (;;) {
            WEFT_TRY(const bool another, passages.step());
            if (!another) break;
            page.vectors.push_back({.passage = passages.integer(0), .document = passages.integer(1), .vector = floats_of(passages.text(2))});
        }
    }
}

Result<std::optional<StaleDocument>> read_stale(Database& database, const std::string& tenant, const std::string& embedding) {
    WEFT_TRY(auto query, database.prepare("SELECT number FROM documents WHERE tenant = ?1 AND embedding <> ?2 ORDER BY number LIMIT 1"));
    WEFT_TRY(const bool any, query.bind(1, tenant).bind(2, embedding).step());
    if (!any) return std::nullopt;
    StaleDocument stale{.number = query.integer(0)};
    WEFT_TRY(auto passages, database.prepare("SELECT number, text FROM passages WHERE document = ?1 ORDER BY place"));
    passages.bind(1, stale.number);
    for (;;) {
        WEFT_TRY(const bool more, passages.step());
        if (!more) return stale;
        if (stale.texts.empty()) stale.first_passage = passages.integer(0);
        stale.texts.push_back(passages.text(1));
    }
}

Result<bool> write_vectors(Database& database, std::int64_t document, const std::string& embedding, const std::vector<std::vector<float>>& vectors) {
    WEFT_TRY(auto mark, database.prepare("UPDATE documents SET embedding = ?2, dimensions = ?3 WHERE number = ?1 AND passages = ?4"));
    mark.bind(1, document).bind(2, embedding).bind(3, static_cast<std::int64_t>(vectors.empty() ? 0 : vectors.front().size()));
    WEFT_CHECK(mark.bind(4, static_cast<std::int64_t>(vectors.size())).run());
    if (database.changed_rows() == 0) return false;
    WEFT_TRY(auto update, database.prepare("UPDATE passages SET vector = ?3 WHERE document = ?1 AND place = ?2"));
    for (std::size_t place = 0; place < vectors.size(); ++place)
        WEFT_CHECK(update.bind(1, document).bind(2, static_cast<std::int64_t>(place)).bind_blob(3, bytes_of(vectors[place])).run());
    return true;
}

template <typename T>
GroupCommit::Done bring(std::shared_ptr<T> value, DocumentStore::Done<T> done) {
    return [value = std::move(value), done = std::move(done)](Result<void> written) {
        if (!written) return done(std::unexpected(std::move(written).error()));
        done(std::move(*value));
    };
}

}  // namespace

void SqliteDocumentStore::add(NewDocument document, Done<AddedDocument> done) {
    auto added = std::make_shared<AddedDocument>();
    const auto write = [&file = file_, added, document = std::make_shared<const NewDocument>(std::move(document))](Database& database) -> Result<void> {
        WEFT_CHECK(file.check_room(database));
        WEFT_TRY(*added, write_document(database, *document));
        return {};
    };
    file_.write(write, bring(added, std::move(done)));
}

void SqliteDocumentStore::find(std::string tenant, std::string id, Done<DocumentRow> done) {
    file_.read<DocumentRow>([tenant = std::move(tenant), id = std::move(id)](Database& database) { return find_document(database, tenant, id); },
                            std::move(done));
}

void SqliteDocumentStore::list(DocumentQuery query, Done<DocumentPage> done) {
    file_.read<DocumentPage>([query = std::move(query)](Database& database) -> Result<DocumentPage> {
        std::string where = "WHERE tenant = ?1";
        if (!query.after_id.empty()) {
            const auto cursor = find_document(database, query.tenant, query.after_id);
            if (!cursor && cursor.error().code == ErrorCode::not_found)
                return fail_field(ErrorCode::invalid_request, "after", "'after' is not the id of one of your documents");
            if (!cursor) return std::unexpected(cursor.error());
            where += " AND number < (SELECT number FROM documents WHERE id = ?2 AND tenant = ?1)";
        }
        WEFT_TRY(auto statement, database.prepare(select_documents(where + " ORDER BY number DESC LIMIT ?3")));
        statement.bind(1, query.tenant).bind(3, static_cast<std::int64_t>(query.limit + 1));
        if (!query.after_id.empty()) statement.bind(2, query.after_id);
        DocumentPage page;
        for (;;) {
            WEFT_TRY(const bool more, statement.step());
            if (!more) return page;
            page.has_more = page.rows.size() == query.limit;
            if (!page.has_more) page.rows.push_back(read_document(statement));
        }
    }, std::move(done));
}

void SqliteDocumentStore::remove(std::string tenant, std::string id, Done<DocumentRow> done) {
    auto removed = std::make_shared<DocumentRow>();
    const auto write = [removed, tenant = std::move(tenant), id = std::move(id)](Database& database) -> Result<void> {
        WEFT_TRY(*removed, erase_document(database, tenant, id));
        return {};
    };
    file_.write(write, bring(removed, std::move(done)));
}

void SqliteDocumentStore::numbers(std::string tenant, std::vector<std::string> ids_or_names, Done<std::vector<std::int64_t>> done) {
    using Numbers = std::vector<std::int64_t>;
    file_.read<Numbers>([tenant = std::move(tenant), wanted = std::move(ids_or_names)](Database& database) -> Result<Numbers> {
        WEFT_TRY(auto query, database.prepare("SELECT number FROM documents WHERE tenant = ?1 AND (id = ?2 OR name = ?2) ORDER BY number"));
        std::set<std::int64_t> numbers;
        for (const auto& one : wanted) {
            WEFT_TRY(const auto found, numbers_in(query.bind(1, tenant).bind(2, one)));
            numbers.insert(found.begin(), found.end());
        }
        return Numbers(numbers.begin(), numbers.end());
    }, std::move(done));
}

void SqliteDocumentStore::with_words(std::string tenant, std::string words, std::vector<std::int64_t> documents, std::size_t limit,
                                     Done<std::vector<std::int64_t>> done) {
    file_.read<std::vector<std::int64_t>>(
        [tenant = std::move(tenant), words = std::move(words), documents = std::move(documents), limit](Database& database) {
            return match_words(database, tenant, words, documents, limit);
        }, std::move(done));
}

void SqliteDocumentStore::passages(std::string tenant, std::vector<std::int64_t> numbers, Done<std::vector<FoundPassage>> done) {
    file_.read<std::vector<FoundPassage>>([tenant = std::move(tenant), numbers = std::move(numbers)](Database& database) {
        return read_passages(database, tenant, numbers);
    }, std::move(done));
}

void SqliteDocumentStore::vectors(std::string tenant, std::string embedding, std::int64_t after_document, std::size_t limit, Done<VectorPage> done) {
    file_.read<VectorPage>([tenant = std::move(tenant), embedding = std::move(embedding), after_document, limit](Database& database) {
        return read_vectors(database, tenant, embedding, after_document, limit);
    }, std::move(done));
}

void SqliteDocumentStore::count_stale(std::string tenant, std::string embedding, Done<std::size_t> done) {
    file_.read<std::size_t>([tenant = std::move(tenant), embedding = std::move(embedding)](Database& database) -> Result<std::size_t> {
        WEFT_TRY(auto query, database.prepare("SELECT count(*) FROM documents WHERE tenant = ?1 AND embedding <> ?2"));
        WEFT_CHECK(query.bind(1, tenant).bind(2, embedding).step());
        return static_cast<std::size_t>(query.integer(0));
    }, std::move(done));
}

void SqliteDocumentStore::next_stale(std::string tenant, std::string embedding, Done<std::optional<StaleDocument>> done) {
    file_.read<std::optional<StaleDocument>>([tenant = std::move(tenant), embedding = std::move(embedding)](Database& database) {
        return read_stale(database, tenant, embedding);
    }, std::move(done));
}

void SqliteDocumentStore::replace_vectors(std::int64_t document, std::string embedding, std::vector<std::vector<float>> vectors, Done<bool> done) {
    auto replaced = std::make_shared<bool>(false);
    const auto write = [replaced, document, embedding = std::move(embedding),
                        vectors = std::make_shared<const std::vector<std::vector<float>>>(std::move(vectors))](Database& database) -> Result<void> {
        WEFT_TRY(*replaced, write_vectors(database, document, embedding, *vectors));
        return {};
    };
    file_.write(write, bring(replaced, std::move(done)));
}

}  // namespace weft
