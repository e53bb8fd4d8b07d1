#pragma once

#include "store/document_store.h"
#include "store/sqlite_file.h"

namespace weft {

// Documents in a SQLite file, words in an FTS5 index. Outlived by the file.
class SqliteDocumentStore final : public DocumentStore {
  public:
    explicit SqliteDocumentStore(SqliteFile& file) : file_(file) {}

    void add(NewDocument document, Done<AddedDocument> done) override;
    void find(std::string tenant, std::string id, Done<DocumentRow> done) override;
    void list(DocumentQuery query, Done<DocumentPage> done) override;
    void remove(std::string tenant, std::string id, Done<DocumentRow> done) override;

    void numbers(std::string tenant, std::vector<std::string> ids_or_names, Done<std::vector<std::int64_t>> done) override;
    void with_words(std::string tenant, std::string words, std::vector<std::int64_t> documents, std::size_t limit,
                    Done<std::vector<std::int64_t>> done) override;
    void passages(std::string tenant, std::vector<std::int64_t> numbers, Done<std::vector<FoundPassage>> done) override;

    void vectors(std::string tenant, std::string embedding, std::int64_t after_document, std::size_t limit,
                 Done<VectorPage> done) override;
    void count_stale(std::string tenant, std::string embedding, Done<std::size_t> done) override;
    void next_stale(std::string tenant, std::string embedding, Done<std::optional<StaleDocument>> done) override;
    void replace_vectors(std::int64_t document, std::string embedding, std::vector<std::vector<float>> vectors,
                         Done<bool> done) override;

  private:
    SqliteFile& file_;
};

}  // namespace weft
