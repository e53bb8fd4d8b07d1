#include "services/documents/vector_indexes.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <unordered_set>
#include <utility>

#include "services/on_thread.h"

namespace weft {
namespace asio = boost::asio;
namespace {

constexpr std::size_t vectors_of_page = 2048;
constexpr std::size_t max_indexes = 1024;  // in memory; keys without documents have one, too

NearestAnswer answer_to(const VectorIndex& index, const NearestQuery& query) {
    NearestAnswer answer;
    answer.nearest = index.nearest(query.vector, query.limit, {query.documents.begin(), query.documents.end()});
    for (const auto& one : answer.nearest) answer.similarities[one.passage] = one.similarity;
    for (const auto passage : query.also)
        if (const auto similarity = index.similarity(query.vector, passage)) answer.similarities[passage] = *similarity;
    return answer;
}

}  // namespace

VectorIndexes::VectorIndexes(asio::any_io_executor io, DocumentStore& store, std::size_t max_bytes, std::size_t graph_from)
    : io_(std::move(io)), store_(store), max_bytes_(max_bytes), graph_from_(graph_from) {}

VectorIndexes::~VectorIndexes() {
    *alive_ = false;
    thread_.stop();
    thread_.join();
}

std::size_t VectorIndexes::bytes() const {
    std::size_t sum = 0;
    for (const auto& [key, entry] : entries_) sum += entry->bytes;
    return sum;
}

asio::awaitable<Result<NearestAnswer>> VectorIndexes::nearest(NearestQuery query) {
    const auto alive = alive_;
    auto entry = co_await ready_entry(query.tenant, query.embedding);
    if (!entry) co_return std::unexpected(std::move(entry).error());
    if (!*alive) co_return fail(ErrorCode::shutting_down, "the server is shutting down");
    (*entry)->used = ++questions_;
    co_return co_await on_thread<NearestAnswer>(io_, thread_.get_executor(), [index = (*entry)->index, query = std::move(query)] {
        return Result<NearestAnswer>(answer_to(*index, query));
    });
}

asio::awaitable<Result<VectorIndexes::EntryPtr>> VectorIndexes::ready_entry(std::string tenant, std::string embedding) {
    const std::pair key(tenant, embedding);
    auto& known = entries_[key];
    if (known && known->ready) co_return known;
    if (known) {
        const auto entry = known;
        const Pending<bool> pending(io_);
        entry->waiting.push_back(pending.setter());
        const auto ready = co_await pending.wait();
        if (!ready) co_return std::unexpected(ready.error());
        co_return entry;
    }
    const auto alive = alive_;
    const auto entry = known = std::make_shared<Entry>(Entry{.index = std::make_shared<VectorIndex>(graph_from_)});
    const auto loaded = co_await load(entry, std::move(tenant), std::move(embedding));
    if (!*alive) co_return fail(ErrorCode::shutting_down, "the server is shutting down");
    entry->ready = loaded.has_value();
    // What failed is tried again by the next question.
    if (!loaded) entries_.erase(key);
    for (const auto& tell : std::exchange(entry->waiting, {})) tell(loaded);
    if (!loaded) co_return std::unexpected(loaded.error());
    make_room(entry);
    build_graph(entry);
    co_return entry;
}

asio::awaitable<Result<bool>> VectorIndexes::load(EntryPtr entry, std::string tenant, std::string embedding) {
    const auto alive = alive_;
    for (std::int64_t after = 0;;) {
        const Pending<VectorPage> pending(io_);
        store_.vectors(tenant, embedding, after, vectors_of_page, pending.setter());
        auto page = co_await pending.wait();
        if (!page) co_return std::unexpected(std::move(page).error());
        if (!*alive) co_return fail(ErrorCode::shutting_down, "the server is shutting down");
        after = page->last_document;
        const bool more = page->has_more;
        const auto bytes = co_await on_thread<std::size_t>(io_, thread_.get_executor(), [index = entry->index, page = std::move(*page)] {
            for (const auto& vector : page.vectors) index->add(vector);
            return Result<std::size_t>(index->bytes());
        });
        if (!bytes) co_return std::unexpected(bytes.error());
        if (!*alive) co_return fail(ErrorCode::shutting_down, "the server is shutting down");
        entry->bytes = *bytes;
        if (!more) co_return true;
    }
}

// Also while they are being read from the store: the order of the thread's work, and that an index takes nothing twice and
// nothing of an erased document, make it come out right.
void VectorIndexes::added(const std::string& tenant, const std::string& embedding, std::vector<PassageVector> vectors) {
    const auto known = entries_.find({tenant, embedding});
    if (known == entries_.end()) return;
    const auto entry = known->second;
    asio::post(thread_, [this, entry, vectors = std::move(vectors), io = io_, alive = alive_] {
        for (const auto& vector : vectors) entry->index->add(vector);
        asio::post(io, [this, entry, bytes = entry->index->bytes(), alive] {
            if (!*alive) return;
            entry->bytes = bytes;
            make_room(entry);
            if (entry->ready) build_graph(entry);
        });
    });
}

void VectorIndexes::erased(const std::string& tenant, std::int64_t document) {
    for (const auto& [key, entry] : entries_)
        if (key.first == tenant) asio::post(thread_, [index = entry->index, document] { index->erase_document(document); });
}

// A turn at a time: whoever asks in between waits for one turn only.
void VectorIndexes::build_graph(const EntryPtr& entry) {
    if (entry->building) return;
    entry->building = true;
    asio::post(thread_, [this, entry, io = io_, alive = alive_] {
        const bool more = entry->index->build_some();
        asio::post(io, [this, entry, more, bytes = entry->index->bytes(), alive] {
            if (!*alive) return;
            entry->building = false;
            entry->bytes = bytes;
            if (more) build_graph(entry);
        });
    });
}

void VectorIndexes::make_room(const EntryPtr& keep) {
    while (bytes() > max_bytes_ || entries_.size() > max_indexes) {
        auto oldest = entries_.end();
        for (auto entry = entries_.begin(); entry != entries_.end(); ++entry)
            if (entry->second != keep && entry->second->ready && (oldest == entries_.end() || entry->second->used < oldest->second->used)) oldest = entry;
        if (oldest == entries_.end()) return;
        entries_.erase(oldest);
    }
}

}  // namespace weft
