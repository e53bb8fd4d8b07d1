#include "services/documents/document_service.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "base/log.h"
#include "services/jobs/ids.h"
#include "services/on_thread.h"
#include "store/search_words.h"

namespace weft {
namespace asio = boost::asio;
namespace {

constexpr std::size_t digest_digits = 16;         // of a model's digest in the name of its vectors
constexpr std::size_t candidates_per_hit = 4;     // from each list, before they become one
constexpr std::size_t least_candidates = 40;
constexpr std::size_t max_known_stale = 10'000;   // tenants whose count is remembered
constexpr std::chrono::milliseconds stale_pause{1000};  // after a failure
constexpr int max_stale_failures = 5;             // in a row; the next start of the server tries again
constexpr int busy_after_s = 2;
// Beside words, which count 1. What a chat model makes of a text says little about its meaning: it decides between passages
// that words rank alike, and finds what words do not.
constexpr double weight_of_embeddings = 1;
constexpr double weight_of_pooled_states = 0.05;

std::unexpected<Error> no_place(ErrorCode code, std::string message) {
    return std::unexpected(Error{.code = code, .message = std::move(message), .retry_after_s = busy_after_s});
}

std::unexpected<Error> going_down() { return fail(ErrorCode::shutting_down, "the server is shutting down"); }

bool beyond_any_similarity(double min_similarity) { return min_similarity > -1; }

// The nearest ones and, behind them, those that words have found: what is in one ranking alone would lose to what is low
// in both.
std::vector<std::int64_t> by_similarity(const NearestAnswer& answer) {
    std::vector<Neighbour> all;
    for (const auto& [passage, similarity] : answer.similarities) all.push_back({.passage = passage, .similarity = similarity});
    std::ranges::sort(all, [](const Neighbour& a, const Neighbour& b) {
        return a.similarity != b.similarity ? a.similarity > b.similarity : a.passage < b.passage;
    });
    std::vector<std::int64_t> passages;
    for (const auto& one : all) passages.push_back(one.passage);
    return passages;
}

}  // namespace

// A place among those that work at once, given back when this goes.
class DocumentService::Place {
  public:
    Place(DocumentService& service, std::string tenant, bool adds)
        : service_(service), alive_(service.alive_), tenant_(std::move(tenant)), adds_(adds) {
        ++(adds_ ? service_.adding_ : service_.searching_);
        if (adds_) ++service_.adding_of_[tenant_];
    }
    ~Place() {
        if (!*alive_) return;
        --(adds_ ? service_.adding_ : service_.searching_);
        if (adds_ && --service_.adding_of_[tenant_] == 0) service_.adding_of_.erase(tenant_);
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

  private:
    DocumentService& service_;
    std::shared_ptr<bool> alive_;
    std::string tenant_;
    bool adds_;
};

DocumentService::DocumentService(Parts parts)
    : parts_(std::move(parts)), indexes_(parts_.io, parts_.store, parts_.limits.index_bytes, parts_.limits.graph_from) {}

DocumentService::~DocumentService() {
    *alive_ = false;
    workers_.stop();
    workers_.join();
}

// ---- models -------------------------------------------------------------------------------------------------------------

Result<DocumentService::Embedding> DocumentService::embedding_named(const std::string& model) const {
    const auto found = parts_.registry.find(model);
    if (!found) return std::unexpected(found.error());
    return Embedding{.model = (*found)->name, .name = (*found)->name + "@" + (*found)->digest.substr(0, digest_digits),
                     .made_for_it = (*found)->can("embedding")};
}

std::shared_ptr<const ModelInfo> DocumentService::newest_that_can(std::string_view capability) const {
    std::shared_ptr<const ModelInfo> newest;
    for (const auto& model : parts_.registry.list())
        if (model->can(capability) && (!newest || model->modified_at > newest->modified_at)) newest = model;
    return newest;
}

// A model that is merely newer does not take over documents that have vectors already.
asio::awaitable<Result<DocumentService::Embedding>> DocumentService::embedding_of(std::string tenant) {
    if (!parts_.embedding_model.empty()) co_return embedding_named(parts_.embedding_model);
    const auto alive = alive_;
    const Pending<DocumentPage> pending(parts_.io);
    parts_.store.list({.tenant = std::move(tenant), .limit = 1}, pending.setter());
    const auto newest = co_await pending.wait();
    if (!newest) co_return std::unexpected(newest.error());
    if (!*alive) co_return going_down();
    if (!newest->rows.empty()) {
        const auto& name = newest->rows.front().embedding;
        auto known = embedding_named(name.substr(0, name.rfind('@')));
        if (known && known->name == name) co_return known;
    }
    if (!parts_.default_model.empty()) co_return embedding_named(parts_.default_model);
    for (const auto* capability : {"embedding", "completion"})
        if (const auto newest_model = newest_that_can(capability)) co_return embedding_named(newest_model->name);
    co_return fail(ErrorCode::unsupported, "the server has no model that embeds; documents.embedding_model names one");
}

asio::awaitable<Result<std::vector<std::vector<float>>>> DocumentService::embed_all(std::string model, std::vector<std::string> texts,
                                                                                    OnLeave on_leave) {
    const auto alive = alive_;
    std::vector<std::vector<float>> vectors;
    for (std::size_t at = 0; at < texts.size();) {
        EmbedRequest request;
        for (; at < texts.size() && request.inputs.size() < parts_.limits.embed_at_once; ++at) request.inputs.emplace_back(std::move(texts[at]));
        const auto wanted = request.inputs.size();
        auto outcome = co_await parts_.embed.embed(model, std::move(request), std::nullopt, on_leave);
        if (!outcome) co_return std::unexpected(std::move(outcome).error());
        if (!*alive) co_return going_down();
        auto& got = outcome->result.vectors;
        const auto length = got.empty() ? 0 : (vectors.empty() ? got : vectors).front().size();
        if (got.size() != wanted || length == 0 || !std::ranges::all_of(got, [length](const auto& v) { return v.size() == length; }))
            co_return fail(ErrorCode::unsupported, "the embedding model gives vectors of different lengths");
        std::ranges::move(got, std::back_inserter(vectors));
    }
    co_return vectors;
}

// ---- adding -------------------------------------------------------------------------------------------------------------

asio::awaitable<Result<DocumentRow>> DocumentService::add(GivenDocument given, OnLeave on_leave) {
    const auto& limits = parts_.limits;
    if (given.bytes.size() > limits.document_bytes)
        co_return fail_field(ErrorCode::too_large, given.field, "a document may have at most " + std::to_string(limits.document_bytes) + " bytes");
    if (adding_ >= limits.adding) co_return no_place(ErrorCode::overloaded, "too many documents are being added");
    if (const auto own = adding_of_.find(given.tenant); own != adding_of_.end() && own->second >= limits.adding_of_tenant)
        co_return no_place(ErrorCode::rate_limited, "too many of your documents are being added");
    const Place place(*this, given.tenant, true);
    const auto alive = alive_;

    const auto embedding = co_await embedding_of(given.tenant);
    if (!embedding) co_return std::unexpected(embedding.error());
    if (!*alive) co_return going_down();
    auto prepared = co_await on_thread<PreparedDocument>(
        parts_.io, workers_.get_executor(), [type = given.type, bytes = std::move(given.bytes), limits] { return prepare_document(type, bytes, limits); });
    if (!prepared && prepared.error().code != ErrorCode::internal) prepared.error().field = given.field;
    if (!prepared) co_return std::unexpected(std::move(prepared).error());
    if (!*alive) co_return going_down();

    std::vector<std::string> texts;
    for (const auto& passage : prepared->passages) texts.push_back(passage.text);
    auto vectors = co_await embed_all(embedding->model, std::move(texts), std::move(on_leave));
    if (!vectors) co_return std::unexpected(std::move(vectors).error());
    if (!*alive) co_return going_down();

    NewDocument document{.row = {.id = random_uuid(), .tenant = given.tenant, .name = given.name.empty() ? prepared->title : given.name,
                                 .content_type = std::string(content_type_of(given.type)), .metadata = std::move(given.metadata),
                                 .bytes = static_cast<std::int64_t>(prepared->bytes), .passages = static_cast<std::int64_t>(prepared->passages.size()),
                                 .created_ms = parts_.unix_ms(), .embedding = embedding->name,
                                 .dimensions = static_cast<std::uint32_t>(vectors->front().size())},
                         .passages = std::move(prepared->passages), .quota = limits.quota};
    for (std::size_t i = 0; i < vectors->size(); ++i) document.passages[i].vector = (*vectors)[i];
    auto row = document.row;
    const Pending<AddedDocument> stored(parts_.io);
    // Whoever searches next must find it, so the index is told before this coroutine goes on.
    parts_.store.add(std::move(document), [this, alive, tenant = row.tenant, name = embedding->name, vectors = std::move(*vectors),
                                           answer = stored.setter()](Result<AddedDocument> added) mutable {
        if (!*alive) return;
        if (added) {
            std::vector<PassageVector> known;
            for (std::size_t i = 0; i < vectors.size(); ++i)
                known.push_back({.passage = added->first_passage + static_cast<std::int64_t>(i), .document = added->number, .vector = std::move(vectors[i])});
            indexes_.added(tenant, name, std::move(known));
        }
        answer(std::move(added));
    });
    const auto added = co_await stored.wait();
    if (!added) co_return std::unexpected(added.error());
    row.number = added->number;
    co_return row;
}

asio::awaitable<Result<DocumentRow>> DocumentService::find(std::string tenant, std::string id) {
    const Pending<DocumentRow> pending(parts_.io);
    parts_.store.find(std::move(tenant), std::move(id), pending.setter());
    co_return co_await pending.wait();
}

asio::awaitable<Result<DocumentPage>> DocumentService::list(DocumentQuery query) {
    const Pending<DocumentPage> pending(parts_.io);
    parts_.store.list(std::move(query), pending.setter());
    co_return co_await pending.wait();
}

asio::awaitable<Result<void>> DocumentService::remove(std::string tenant, std::string id) {
    const auto alive = alive_;
    const Pending<DocumentRow> pending(parts_.io);
    parts_.store.remove(tenant, std::move(id), pending.setter());
    const auto removed = co_await pending.wait();
    if (!removed) co_return std::unexpected(removed.error());
    if (!*alive) co_return going_down();
    indexes_.erased(tenant, removed->number);
    co_return Result<void>{};
}

// ---- searching ----------------------------------------------------------------------------------------------------------

asio::awaitable<Result<std::vector<std::int64_t>>> DocumentService::numbers_of(std::string tenant, std::vector<std::string> documents) {
    if (documents.empty()) co_return std::vector<std::int64_t>{};
    const Pending<std::vector<std::int64_t>> pending(parts_.io);
    parts_.store.numbers(std::move(tenant), std::move(documents), pending.setter());
    auto numbers = co_await pending.wait();
    if (numbers && numbers->empty()) co_return fail_field(ErrorCode::not_found, "documents", "none of these documents is there");
    co_return numbers;
}

asio::awaitable<Result<NearestAnswer>> DocumentService::by_vector(const DocumentSearch& search, const Embedding& embedding,
                                                                  std::vector<std::int64_t> documents, std::vector<std::int64_t> also,
                                                                  OnLeave on_leave) {
    const auto alive = alive_;
    std::vector<std::string> texts{search.query};
    auto vectors = co_await embed_all(embedding.model, std::move(texts), std::move(on_leave));
    if (!vectors) co_return std::unexpected(std::move(vectors).error());
    if (!*alive) co_return going_down();
    const auto limit = std::max(least_candidates, search.limit * candidates_per_hit);
    NearestQuery query{.tenant = search.tenant, .embedding = embedding.name, .vector = std::move(vectors->front()),
                       .documents = std::move(documents), .limit = limit, .also = std::move(also)};
    co_return co_await indexes_.nearest(std::move(query));
}

asio::awaitable<Result<std::vector<SearchHit>>> DocumentService::hits_of(const DocumentSearch& search, std::vector<Ranking> rankings,
                                                                         NearestAnswer nearest) {
    const auto all = std::max(least_candidates, search.limit * candidates_per_hit) * rankings.size();
    std::map<std::int64_t, double> scores;
    std::vector<std::int64_t> wanted;
    for (const auto& one : fuse(rankings, all)) {
        const auto similarity = nearest.similarities.find(one.number);
        const bool near = similarity != nearest.similarities.end() && similarity->second >= search.min_similarity;
        if (one.score < search.min_score || (beyond_any_similarity(search.min_similarity) && !near)) continue;
        scores[one.number] = one.score;
        wanted.push_back(one.number);
        if (wanted.size() == search.limit) break;
    }
    const Pending<std::vector<FoundPassage>> pending(parts_.io);
    parts_.store.passages(search.tenant, std::move(wanted), pending.setter());
    auto passages = co_await pending.wait();
    if (!passages) co_return std::unexpected(std::move(passages).error());
    std::vector<SearchHit> hits;
    for (auto& passage : *passages) {
        SearchHit hit{.score = scores[passage.number]};
        if (const auto similarity = nearest.similarities.find(passage.number); similarity != nearest.similarities.end()) hit.similarity = similarity->second;
        hit.passage = std::move(passage);
        hits.push_back(std::move(hit));
    }
    co_return hits;
}

asio::awaitable<Result<SearchResult>> DocumentService::search(DocumentSearch search, OnLeave on_leave) {
    if (searching_ >= parts_.limits.searching) co_return no_place(ErrorCode::overloaded, "too many searches are under way");
    const Place place(*this, search.tenant, false);
    if (search.mode == SearchMode::keyword) search.min_similarity = -1;  // nothing is compared then
    const auto alive = alive_;
    const auto documents = co_await numbers_of(search.tenant, search.documents);
    if (!documents) co_return std::unexpected(documents.error());
    if (!*alive) co_return going_down();

    std::vector<Ranking> rankings;
    if (search.mode != SearchMode::vector) {
        const Pending<std::vector<std::int64_t>> pending(parts_.io);
        parts_.store.with_words(search.tenant, search_words(search.query), *documents, std::max(least_candidates, search.limit * candidates_per_hit),
                                pending.setter());
        auto found = co_await pending.wait();
        if (!found) co_return std::unexpected(std::move(found).error());
        if (!*alive) co_return going_down();
        rankings.push_back({.passages = std::move(*found)});
    }
    NearestAnswer nearest;
    SearchResult result;
    if (search.mode != SearchMode::keyword) {
        const auto embedding = co_await embedding_of(search.tenant);
        if (!embedding) co_return std::unexpected(embedding.error());
        if (!*alive) co_return going_down();
        auto also = rankings.empty() ? std::vector<std::int64_t>{} : rankings.front().passages;
        auto answer = co_await by_vector(search, *embedding, *documents, std::move(also), std::move(on_leave));
        if (!answer) co_return std::unexpected(std::move(answer).error());
        if (!*alive) co_return going_down();
        nearest = std::move(*answer);
        auto& ranking = rankings.emplace_back(Ranking{.weight = embedding->made_for_it ? weight_of_embeddings : weight_of_pooled_states});
        ranking.passages = by_similarity(nearest);
        const auto stale = co_await stale_documents(search.tenant, *embedding);
        if (!stale) co_return std::unexpected(stale.error());
        if (!*alive) co_return going_down();
        result.stale_documents = *stale;
    }
    auto hits = co_await hits_of(search, std::move(rankings), std::move(nearest));
    if (!hits) co_return std::unexpected(std::move(hits).error());
    result.hits = std::move(*hits);
    co_return result;
}

// ---- after a change of the model ----------------------------------------------------------------------------------------

// Looked for once for each tenant and model; what is found is made anew.
asio::awaitable<Result<std::size_t>> DocumentService::stale_documents(std::string tenant, Embedding embedding) {
    const std::pair key(tenant, embedding.name);
    if (const auto known = stale_.find(key); known != stale_.end()) co_return known->second;
    const auto alive = alive_;
    const Pending<std::size_t> pending(parts_.io);
    parts_.store.count_stale(tenant, embedding.name, pending.setter());
    const auto count = co_await pending.wait();
    if (!count) co_return std::unexpected(count.error());
    if (!*alive) co_return going_down();
    if (stale_.size() >= max_known_stale) stale_.clear();
    if (!stale_.try_emplace(key, *count).second) co_return stale_[key];  // somebody else was quicker
    if (*count > 0 && embedding_stale_.insert(tenant).second) asio::co_spawn(parts_.io, embed_stale(tenant, embedding), asio::detached);
    co_return *count;
}

asio::awaitable<void> DocumentService::embed_stale(std::string tenant, Embedding embedding) {
    const auto alive = alive_;
    log_info("documents_embedded_anew", {{"documents", stale_[{tenant, embedding.name}]}});
    for (int failures = 0; failures < max_stale_failures;) {
        const auto more = co_await embed_next_stale(tenant, embedding);
        if (!*alive) co_return;
        if (more && !*more) break;
        if (more) {
            failures = 0;
            continue;
        }
        ++failures;
        log_warn("documents_not_embedded_anew", {{"reason", more.error().message}});
        asio::steady_timer pause(parts_.io, stale_pause * failures);
        boost::system::error_code ignored;
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        if (!*alive) co_return;
    }
    embedding_stale_.erase(tenant);
}

// False when there is none left.
asio::awaitable<Result<bool>> DocumentService::embed_next_stale(std::string tenant, Embedding embedding) {
    const auto alive = alive_;
    const Pending<std::optional<StaleDocument>> looking(parts_.io);
    parts_.store.next_stale(tenant, embedding.name, looking.setter());
    auto found = co_await looking.wait();
    if (!found) co_return std::unexpected(std::move(found).error());
    if (!*alive) co_return going_down();
    if (!*found) {
        stale_[{tenant, embedding.name}] = 0;
        co_return false;
    }
    auto stale = std::move(**found);
    auto vectors = co_await embed_all(embedding.model, std::move(stale.texts), OnLeave());
    if (!vectors) co_return std::unexpected(std::move(vectors).error());
    if (!*alive) co_return going_down();
    const Pending<bool> writing(parts_.io);
    parts_.store.replace_vectors(stale.number, embedding.name, *vectors, writing.setter());
    const auto written = co_await writing.wait();
    if (!written) co_return std::unexpected(written.error());
    if (!*alive) co_return going_down();
    std::vector<PassageVector> known;
    for (std::size_t i = 0; *written && i < vectors->size(); ++i)
        known.push_back({.passage = stale.first_passage + static_cast<std::int64_t>(i), .document = stale.number, .vector = std::move((*vectors)[i])});
    indexes_.added(tenant, embedding.name, std::move(known));
    if (auto& count = stale_[{tenant, embedding.name}]; count > 0) --count;
    co_return true;
}

}  // namespace weft
