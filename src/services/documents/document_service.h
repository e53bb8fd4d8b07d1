#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "registry/registry.h"
#include "services/documents/document_limits.h"
#include "services/documents/fusion.h"
#include "services/documents/prepared_document.h"
#include "services/documents/vector_indexes.h"
#include "services/embed/embed_service.h"
#include "store/document_store.h"

namespace weft {

// What a client gave, checked by its dialect.
struct GivenDocument {
    std::string tenant{};
    std::string name{};           // empty: the document's own title, if it has one
    DocumentType type = DocumentType::plain;
    std::string bytes{};
    std::string field{};          // of the request, where they stand: errors about them name it
    std::string metadata = "{}";  // JSON object of strings
};

enum class SearchMode { hybrid, vector, keyword };

struct DocumentSearch {
    std::string tenant{};
    std::string query{};
    std::size_t limit = 5;                 // 1 to max_found_passages
    SearchMode mode = SearchMode::hybrid;
    std::vector<std::string> documents{};  // ids or names; empty: all of the tenant's
    double min_score = 0;                  // 0 to 1
    double min_similarity = -1;            // -1 to 1; above -1, what has none is left out
};

struct SearchHit {
    FoundPassage passage{};
    double score = 0;                      // 1: the first by words and by vectors
    std::optional<float> similarity{};     // of query and passage, cosine; not with SearchMode::keyword
};

struct SearchResult {
    std::vector<SearchHit> hits{};
    std::size_t stale_documents = 0;       // whose vectors are of an earlier model: found by words only, until they are made anew
};

// Documents of clients: their text in passages, embedded by a model of this server, found by vectors and by words. What
// was added is on disk, and found, when add() returns. Vectors of different models are never compared: when the model has
// changed, they are made anew in the background, document by document. Thread: io.
class DocumentService {
  public:
    using UnixTime = std::function<std::int64_t()>;  // milliseconds
    using OnLeave = EmbedService::OnLeave;

    struct Parts {
        boost::asio::any_io_executor io;
        Registry& registry;
        EmbedService& embed;
        DocumentStore& store;
        UnixTime unix_ms;
        DocumentLimits limits{};
        std::string embedding_model{};  // empty: the one that a tenant's documents have, else default_model
        std::string default_model{};    // empty: the newest one that is made for it, else the newest one
    };
    explicit DocumentService(Parts parts);
    ~DocumentService();

    // invalid_request, too_large, rate_limited, storage_full, overloaded, not_implemented, cancelled, and the errors of
    // EmbedService.
    [[nodiscard]] boost::asio::awaitable<Result<DocumentRow>> add(GivenDocument document, OnLeave on_leave);
    // not_found: unknown, or another tenant's.
    [[nodiscard]] boost::asio::awaitable<Result<DocumentRow>> find(std::string tenant, std::string id);
    [[nodiscard]] boost::asio::awaitable<Result<DocumentPage>> list(DocumentQuery query);
    [[nodiscard]] boost::asio::awaitable<Result<void>> remove(std::string tenant, std::string id);
    // not_found with the field `documents` when one of those is not there.
    [[nodiscard]] boost::asio::awaitable<Result<SearchResult>> search(DocumentSearch search, OnLeave on_leave);

    [[nodiscard]] const DocumentLimits& limits() const { return parts_.limits; }

  private:
    // A model, and the name under which its vectors are kept: that changes with its file.
    struct Embedding {
        std::string model;
        std::string name;
        bool made_for_it = true;  // false: a chat model, whose hidden states are pooled
    };
    class Place;

    [[nodiscard]] Result<Embedding> embedding_named(const std::string& model) const;
    [[nodiscard]] std::shared_ptr<const ModelInfo> newest_that_can(std::string_view capability) const;
    [[nodiscard]] boost::asio::awaitable<Result<Embedding>> embedding_of(std::string tenant);
    [[nodiscard]] boost::asio::awaitable<Result<std::vector<std::vector<float>>>> embed_all(std::string model, std::vector<std::string> texts,
                                                                                           OnLeave on_leave);
    [[nodiscard]] boost::asio::awaitable<Result<std::vector<std::int64_t>>> numbers_of(std::string tenant, std::vector<std::string> documents);
    [[nodiscard]] boost::asio::awaitable<Result<NearestAnswer>> by_vector(const DocumentSearch& search, const Embedding& embedding,
                                                                          std::vector<std::int64_t> documents,
                                                                          std::vector<std::int64_t> also, OnLeave on_leave);
    [[nodiscard]] boost::asio::awaitable<Result<std::vector<SearchHit>>> hits_of(const DocumentSearch& search,
                                                                                 std::vector<Ranking> rankings,
                                                                                 NearestAnswer nearest);
    [[nodiscard]] boost::asio::awaitable<Result<std::size_t>> stale_documents(std::string tenant, Embedding embedding);
    [[nodiscard]] boost::asio::awaitable<void> embed_stale(std::string tenant, Embedding embedding);
    [[nodiscard]] boost::asio::awaitable<Result<bool>> embed_next_stale(std::string tenant, Embedding embedding);

    Parts parts_;
    VectorIndexes indexes_;
    std::size_t adding_ = 0;
    std::map<std::string, std::size_t> adding_of_;                          // by tenant
    std::size_t searching_ = 0;
    std::map<std::pair<std::string, std::string>, std::size_t> stale_;      // by tenant and embedding: documents, as far as looked
    std::set<std::string> embedding_stale_;                                 // tenants
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    boost::asio::thread_pool workers_{2};
};

}  // namespace weft
