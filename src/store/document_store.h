#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace weft {

// A document that a client gave, without its text. Times are milliseconds since 1970.
struct DocumentRow {
    std::int64_t number = 0;      // given by the store
    std::string id;               // a UUID
    std::string tenant;           // whose it is
    std::string name;
    std::string content_type;     // of what was given; what is kept is its text
    std::string metadata = "{}";  // JSON object of strings
    std::int64_t bytes = 0;       // of its text
    std::int64_t passages = 0;
    std::int64_t created_ms = 0;
    std::string embedding;        // which model its vectors are of, see DocumentService
    std::uint32_t dimensions = 0; // of each of them
};

// A part of a document's text, the unit that is found.
struct NewPassage {
    std::int64_t start = 0;     // in the document's text, in bytes
    std::string text;
    std::string words;          // search_words() of the text
    std::vector<float> vector;  // of length 1
};

// What one tenant may have.
struct DocumentQuota {
    std::size_t documents = 10'000;
    std::size_t passages = 200'000;
    std::uint64_t bytes = 1ULL << 30;  // of texts
};

struct NewDocument {
    DocumentRow row;
    std::vector<NewPassage> passages;
    DocumentQuota quota{};
};

struct AddedDocument {
    std::int64_t number = 0;
    std::int64_t first_passage = 0;  // the numbers of the others follow
};

struct DocumentQuery {
    std::string tenant;
    std::string after_id{};  // older than that one
    std::size_t limit = 20;
};

struct DocumentPage {
    std::vector<DocumentRow> rows{};  // newest first
    bool has_more = false;
};

struct PassageVector {
    std::int64_t passage = 0;
    std::int64_t document = 0;
    std::vector<float> vector{};
};

struct VectorPage {
    std::vector<PassageVector> vectors{};
    std::int64_t last_document = 0;  // where the next page goes on
    bool has_more = false;
};

// A passage that was found, with what is shown of its document.
struct FoundPassage {
    std::int64_t number = 0;
    std::int64_t document = 0;
    std::string document_id;
    std::string document_name;
    std::string document_metadata;
    std::int64_t place = 0;  // which of the document's passages, from 0
    std::int64_t start = 0;
    std::string text;
};

// A document whose vectors are of another model.
struct StaleDocument {
    std::int64_t number = 0;
    std::int64_t first_passage = 0;
    std::vector<std::string> texts{};  // of its passages
};

inline constexpr std::size_t max_query_words = 32;

// Documents and their passages, found by id and by words; vectors are kept here and compared elsewhere. A document is
// there whole or not at all, and durable when `done` is called. Nothing of one tenant is ever seen by another, in words
// neither. Errors: not_found, rate_limited beyond the quota, storage_full, overloaded, internal. Every `done` is called
// once, later and on the owner's thread. Thread: io.
class DocumentStore {
  public:
    template <typename T>
    using Done = std::function<void(Result<T>)>;

    virtual ~DocumentStore() = default;

    virtual void add(NewDocument document, Done<AddedDocument> done) = 0;
    virtual void find(std::string tenant, std::string id, Done<DocumentRow> done) = 0;
    virtual void list(DocumentQuery query, Done<DocumentPage> done) = 0;
    virtual void remove(std::string tenant, std::string id, Done<DocumentRow> done) = 0;  // what was removed

    // Numbers of those documents; an id or name that is not there, or of another tenant, is left out.
    virtual void numbers(std::string tenant, std::vector<std::string> ids_or_names, Done<std::vector<std::int64_t>> done) = 0;
    // Passages with any of the words (search_words() of the question, at most max_query_words count), best first.
    // documents: of those alone; empty: of all.
    virtual void with_words(std::string tenant, std::string words, std::vector<std::int64_t> documents, std::size_t limit,
                            Done<std::vector<std::int64_t>> done) = 0;
    // In the order asked for; those that are gone are left out.
    virtual void passages(std::string tenant, std::vector<std::int64_t> numbers, Done<std::vector<FoundPassage>> done) = 0;

    // All vectors of one model, documents after that one, at least one document and about `limit` vectors a page.
    virtual void vectors(std::string tenant, std::string embedding, std::int64_t after_document, std::size_t limit,
                         Done<VectorPage> done) = 0;
    // How many documents have vectors of another model, and the first of them.
    virtual void count_stale(std::string tenant, std::string embedding, Done<std::size_t> done) = 0;
    virtual void next_stale(std::string tenant, std::string embedding, Done<std::optional<StaleDocument>> done) = 0;
    // False: the document is gone.
    virtual void replace_vectors(std::int64_t document, std::string embedding, std::vector<std::vector<float>> vectors,
                                 Done<bool> done) = 0;
};

}  // namespace weft
