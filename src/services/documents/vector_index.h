#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "store/document_store.h"

namespace weft {

struct Neighbour {
    std::int64_t passage = 0;
    float similarity = 0;  // cosine, -1 to 1
};

// The vectors of one tenant and one model, all of the same length. Few are compared one by one; of many, an HNSW graph is
// built piece by piece, and used once it is whole. Thread: one at a time.
class VectorIndex {
  public:
    // graph_from: how many vectors are many.
    explicit VectorIndex(std::size_t graph_from);
    ~VectorIndex();
    VectorIndex(const VectorIndex&) = delete;
    VectorIndex& operator=(const VectorIndex&) = delete;

    // A passage that is known already, one of a document that was erased, and a vector of another length are left out.
    void add(const PassageVector& vector);
    void erase_document(std::int64_t document);

    // The nearest ones first. documents: of those alone; empty: of all.
    [[nodiscard]] std::vector<Neighbour> nearest(const std::vector<float>& query, std::size_t limit, const std::unordered_set<std::int64_t>& documents) const;
    // Of one passage; nothing when it is not in here.
    [[nodiscard]] std::optional<float> similarity(const std::vector<float>& query, std::int64_t passage) const;

    // A little of the graph. False when there is nothing to do.
    bool build_some();

    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    [[nodiscard]] std::size_t dimensions() const { return dimensions_; }
    [[nodiscard]] std::size_t bytes() const;

  private:
    struct Entry {
        std::int64_t passage;
        std::int64_t document;
    };
    struct Graph;

    [[nodiscard]] const float* vector_at(std::size_t place) const { return values_.data() + place * dimensions_; }
    [[nodiscard]] std::vector<Neighbour> compare_all(const std::vector<float>& query, std::size_t limit, const std::unordered_set<std::int64_t>& documents) const;
    void drop(std::size_t place);

    std::size_t graph_from_;
    std::size_t dimensions_ = 0;  // 0: no vector yet
    std::vector<float> values_{};
    std::vector<Entry> entries_{};                              // in the order of the vectors
    std::unordered_map<std::int64_t, std::size_t> places_{};    // by passage
    std::unordered_set<std::int64_t> erased_{};                 // documents
    std::unique_ptr<Graph> graph_;                              // null: few
};

}  // namespace weft
