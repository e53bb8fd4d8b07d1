#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "services/documents/vector_index.h"
#include "services/pending.h"
#include "store/document_store.h"

namespace weft {

// A question to the vectors of one tenant.
struct NearestQuery {
    std::string tenant;
    std::string embedding;
    std::vector<float> vector;
    std::vector<std::int64_t> documents{};  // of those alone; empty: of all
    std::size_t limit = 0;
    std::vector<std::int64_t> also{};       // passages whose similarity is wanted, too
};

struct NearestAnswer {
    std::vector<Neighbour> nearest{};
    std::unordered_map<std::int64_t, float> similarities{};  // of the nearest, and of those of `also` that are known
};

// The vectors of all tenants in memory: read from the store when a tenant first asks, forgotten again when others need
// the room. Comparing and building happen on a thread of their own, a little at a time, so that nobody's many documents
// hold up somebody else for long. Thread: io.
class VectorIndexes {
  public:
    VectorIndexes(boost::asio::any_io_executor io, DocumentStore& store, std::size_t max_bytes, std::size_t graph_from);
    ~VectorIndexes();

    [[nodiscard]] boost::asio::awaitable<Result<NearestAnswer>> nearest(NearestQuery query);
    // What has been stored or erased since; of no consequence when the tenant's vectors are not in memory.
    void added(const std::string& tenant, const std::string& embedding, std::vector<PassageVector> vectors);
    void erased(const std::string& tenant, std::int64_t document);

    [[nodiscard]] std::size_t bytes() const;

  private:
    struct Entry {
        std::shared_ptr<VectorIndex> index;  // thread: the pool's one
        bool ready = false;
        bool building = false;               // its graph
        std::size_t bytes = 0;
        std::uint64_t used = 0;              // when it was last asked, in questions
        std::vector<std::function<void(Result<bool>)>> waiting{};  // for it to be ready
    };
    using EntryPtr = std::shared_ptr<Entry>;

    [[nodiscard]] boost::asio::awaitable<Result<EntryPtr>> ready_entry(std::string tenant, std::string embedding);
    [[nodiscard]] boost::asio::awaitable<Result<bool>> load(EntryPtr entry, std::string tenant, std::string embedding);
    void build_graph(const EntryPtr& entry);
    void make_room(const EntryPtr& keep);

    boost::asio::any_io_executor io_;
    DocumentStore& store_;
    std::size_t max_bytes_;
    std::size_t graph_from_;
    std::uint64_t questions_ = 0;
    std::map<std::pair<std::string, std::string>, EntryPtr> entries_;  // by tenant and embedding
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    boost::asio::thread_pool thread_{1};
};

}  // namespace weft
