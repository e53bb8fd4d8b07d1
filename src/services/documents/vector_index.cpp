#include "services/documents/vector_index.h"

// It prefetches what lies behind the last neighbour of a list, by up to three bytes outside of it.
#ifdef __SANITIZE_ADDRESS__
#define NO_MANUAL_VECTORIZATION
#endif
#include <hnswlib/hnswlib.h>

#include <algorithm>
#include <cstdint>
#include <exception>

namespace weft {
namespace {

constexpr std::size_t links = 16;            // of a vector in the graph: M of the paper (Malkov, Yashunin 2016)
constexpr std::size_t build_width = 100;     // candidates while it is built ...
constexpr std::size_t search_width = 128;    // ... and while it is searched
constexpr std::size_t per_turn = 64;         // vectors that one build_some() adds
constexpr std::size_t bytes_of_links = 400;  // about, of one vector in the graph

// By similarity, then by number, so that equal ones have one order.
bool comes_first(const Neighbour& a, const Neighbour& b) {
    return a.similarity != b.similarity ? a.similarity > b.similarity : a.passage < b.passage;
}

// hnswlib measures 1 - the inner product.
class Similarity {
  public:
    explicit Similarity(std::size_t dimensions) : space_(dimensions) {}
    float operator()(const float* a, const float* b) {
        return 1 - space_.get_dist_func()(a, b, space_.get_dist_func_param());
    }

  private:
    hnswlib::InnerProductSpace space_;
};

}  // namespace

// Labels are passages. What was erased stays in it, marked, until it is made anew.
struct VectorIndex::Graph {
    Graph(std::size_t dimensions, std::size_t capacity) : space(dimensions), graph(&space, capacity, links, build_width) { graph.setEf(search_width); }

    hnswlib::InnerProductSpace space;
    hnswlib::HierarchicalNSW<float> graph;
    std::unordered_set<std::int64_t> known{};
    std::size_t erased = 0;
    std::size_t next = 0;  // the place of the first vector that is not in it yet

    void add(std::int64_t passage, const float* vector) {
        if (!known.insert(passage).second) return;
        if (graph.getCurrentElementCount() == graph.getMaxElements()) graph.resizeIndex(graph.getMaxElements() * 2);
        graph.addPoint(vector, static_cast<hnswlib::labeltype>(passage));
    }
    void erase(std::int64_t passage) {
        if (known.erase(passage) == 0) return;
        graph.markDelete(static_cast<hnswlib::labeltype>(passage));
        ++erased;
    }
};

VectorIndex::VectorIndex(std::size_t graph_from) : graph_from_(graph_from) {}
VectorIndex::~VectorIndex() = default;

void VectorIndex::add(const PassageVector& vector) {
    if (dimensions_ == 0) dimensions_ = vector.vector.size();
    if (vector.vector.empty() || vector.vector.size() != dimensions_ || erased_.contains(vector.document)) return;
    if (!places_.try_emplace(vector.passage, entries_.size()).second) return;
    entries_.push_back({.passage = vector.passage, .document = vector.document});
    values_.insert(values_.end(), vector.vector.begin(), vector.vector.end());
}

void VectorIndex::erase_document(std::int64_t document) {
    erased_.insert(document);
    for (std::size_t place = 0; place < entries_.size();) {
        if (entries_[place].document == document) drop(place);
        else ++place;
    }
    if (graph_ && graph_->erased > entries_.size()) graph_.reset();  // more marks than vectors: build_some() begins again
}

// The last one takes its place.
void VectorIndex::drop(std::size_t place) {
    if (graph_) graph_->erase(entries_[place].passage);
    places_.erase(entries_[place].passage);
    const auto last = entries_.size() - 1;
    if (place != last) {
        entries_[place] = entries_[last];
        std::copy_n(vector_at(last), dimensions_, values_.begin() + static_cast<std::ptrdiff_t>(place * dimensions_));
        places_[entries_[place].passage] = place;
        if (graph_ && place < graph_->next) graph_->add(entries_[place].passage, vector_at(place));
    }
    entries_.pop_back();
    values_.resize(last * dimensions_);
    if (graph_) graph_->next = std::min(graph_->next, last);
}

bool VectorIndex::build_some() {
    if (entries_.size() < graph_from_) {
        graph_.reset();
        return false;
    }
    try {
        if (!graph_) graph_ = std::make_unique<Graph>(dimensions_, entries_.size() + entries_.size() / 2);
        for (std::size_t added = 0; added < per_turn && graph_->next < entries_.size(); ++added, ++graph_->next)
            graph_->add(entries_[graph_->next].passage, vector_at(graph_->next));
    } catch (const std::exception&) {  // out of memory: comparing one by one needs none
        graph_.reset();
        graph_from_ = SIZE_MAX;
        return false;
    }
    return graph_->next < entries_.size();
}

std::vector<Neighbour> VectorIndex::nearest(const std::vector<float>& query, std::size_t limit, const std::unordered_set<std::int64_t>& documents) const {
    if (query.size() != dimensions_ || entries_.empty() || limit == 0) return {};
    const bool whole = graph_ && graph_->next == entries_.size();
    if (!whole || !documents.empty() || limit > search_width) return compare_all(query, limit, documents);
    std::vector<Neighbour> found;
    for (const auto& [distance, passage] : graph_->graph.searchKnnCloserFirst(query.data(), limit))
        found.push_back({.passage = static_cast<std::int64_t>(passage), .similarity = 1 - distance});
    return found;
}

std::vector<Neighbour> VectorIndex::compare_all(const std::vector<float>& query, std::size_t limit, const std::unordered_set<std::int64_t>& documents) const {
    Similarity similarity(dimensions_);
    std::vector<Neighbour> best;  // a heap, the worst of them first
    for (std::size_t place = 0; place < entries_.size(); ++place) {
        if (!documents.empty() && !documents.contains(entries_[place].document)) continue;
        const Neighbour one{.passage = entries_[place].passage, .similarity = similarity(query.data(), vector_at(place))};
        if (best.size() == limit) {
            if (!comes_first(one, best.front())) continue;
            std::ranges::pop_heap(best, comes_first);
            best.pop_back();
        }
        best.push_back(one);
        std::ranges::push_heap(best, comes_first);
    }
    std::ranges::sort(best, comes_first);
    return best;
}

std::optional<float> VectorIndex::similarity(const std::vector<float>& query, std::int64_t passage) const {
    const auto place = places_.find(passage);
    if (place == places_.end() || query.size() != dimensions_) return std::nullopt;
    return Similarity(dimensions_)(query.data(), vector_at(place->second));
}

std::size_t VectorIndex::bytes() const {
    const auto flat = values_.capacity() * sizeof(float) + entries_.size() * (sizeof(Entry) + 64);
    return graph_ ? flat + entries_.size() * (dimensions_ * sizeof(float) + bytes_of_links) : flat;
}

}  // namespace weft
