#include "services/documents/document_service.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <catch2/catch_test_macros.hpp>

#include "store/sqlite_document_store.h"
#include "support/fake_runner.h"
#include "support/gguf_writer.h"

namespace weft::test {
namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr auto patience = 30s;

// The service over a real store and a fake model.
class DocumentStage {
  public:
    explicit DocumentStage(DocumentLimits with = {}) : limits(with) { open(); }
    ~DocumentStage() { close(); }

    template <typename T>
    T wait(asio::awaitable<T> work) {
        std::optional<T> value;
        asio::co_spawn(io, std::move(work), [&value](const std::exception_ptr&, T got) { value.emplace(std::move(got)); });
        const auto end = std::chrono::steady_clock::now() + patience;
        while (!value) {
            REQUIRE(std::chrono::steady_clock::now() < end);
            io.run_one_for(5ms);
        }
        return std::move(*value);
    }
    Result<DocumentRow> add(std::string text, GivenDocument given = {}) {
        given.bytes = std::move(text);
        return wait(documents->add(std::move(given), {}));
    }
    Result<SearchResult> search(DocumentSearch what) { return wait(documents->search(std::move(what), {})); }
    std::vector<std::string> texts(DocumentSearch what) {
        std::vector<std::string> found;
        for (const auto& hit : search(std::move(what)).value().hits) found.push_back(hit.passage.text);
        return found;
    }
    void restart() {
        close();
        open();
    }

    DocumentLimits limits;
    std::string embedding_model{};
    TemporaryFolder folder;
    asio::io_context io;
    asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
    FakeRegistry registry{io.get_executor()};
    EmbedService embed{registry};
    std::shared_ptr<FakeRunner> runner = registry.add("demo", {"completion", "embedding"});
    std::unique_ptr<SqliteFile> file;
    std::unique_ptr<SqliteDocumentStore> store;
    std::unique_ptr<DocumentService> documents;

  private:
    void open() {
        file = SqliteFile::open(folder.path(), {}, [this](std::function<void()> done) { asio::post(io, std::move(done)); }).value();
        store = std::make_unique<SqliteDocumentStore>(*file);
        documents = std::make_unique<DocumentService>(DocumentService::Parts{
            .io = io.get_executor(), .registry = registry, .embed = embed, .store = *store, .unix_ms = [] { return 7; },
            .limits = limits, .embedding_model = embedding_model});
    }
    void close() {
        documents.reset();
        store.reset();
        file.reset();
        io.poll();
    }
};

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a document that was added is found by its words, by its vector and by both, also after a restart") {
    DocumentStage stage;
    const auto row = stage.add("The green book is in the kitchen.", {.name = "house"}).value();
    stage.add("Ana lives in Oslo.").value();
    CHECK(row.passages == 1);
    CHECK(row.dimensions > 0);
    for (int round = 0; round < 2; ++round) {
        for (const auto mode : {SearchMode::hybrid, SearchMode::vector, SearchMode::keyword}) {
            const auto found = stage.search({.query = "The green book is in the kitchen.", .limit = 1, .mode = mode}).value();
            REQUIRE(found.hits.size() == 1);
            CHECK(found.hits[0].passage.text == "The green book is in the kitchen.");
            CHECK(found.hits[0].passage.document_id == row.id);
            CHECK(found.hits[0].passage.document_name == "house");
            CHECK(found.hits[0].score == 1);
            CHECK(found.hits[0].similarity.has_value() == (mode != SearchMode::keyword));
        }
        stage.restart();
    }
}

TEST_CASE("a document that is added while others are searched in is found at once, and one that is removed is not") {
    DocumentStage stage;
    CHECK(stage.texts({.query = "book"}).empty());
    const auto row = stage.add("the book").value();
    CHECK(stage.texts({.query = "book"}) == Texts{"the book"});
    CHECK(stage.texts({.query = "the book", .mode = SearchMode::vector}) == Texts{"the book"});
    CHECK(stage.wait(stage.documents->remove("", row.id)));
    CHECK(stage.texts({.query = "book"}).empty());
    CHECK(stage.texts({.query = "the book", .mode = SearchMode::vector}).empty());
    CHECK(stage.wait(stage.documents->remove("", row.id)).error().code == ErrorCode::not_found);
}

TEST_CASE("nobody finds, sees or removes what is somebody else's") {
    DocumentStage stage;
    const auto row = stage.add("the book", {.tenant = "a", .name = "n"}).value();
    for (const auto mode : {SearchMode::hybrid, SearchMode::vector, SearchMode::keyword})
        CHECK(stage.texts({.tenant = "b", .query = "the book", .mode = mode}).empty());
    CHECK(stage.wait(stage.documents->find("b", row.id)).error().code == ErrorCode::not_found);
    CHECK(stage.wait(stage.documents->remove("b", row.id)).error().code == ErrorCode::not_found);
    const auto named = stage.search({.tenant = "b", .query = "book", .documents = {row.id, "n"}});
    CHECK(named.error().field == "documents");
    CHECK(stage.texts({.tenant = "a", .query = "book"}).size() == 1);
}

TEST_CASE("a search may be kept to some documents, by id or name") {
    DocumentStage stage;
    const auto first = stage.add("the red book", {.name = "one"}).value();
    stage.add("the blue book", {.name = "two"}).value();
    CHECK(stage.texts({.query = "book", .documents = {first.id}}) == Texts{"the red book"});
    CHECK(stage.texts({.query = "book", .documents = {"two", "three"}}) == Texts{"the blue book"});
    CHECK(stage.search({.query = "book", .documents = {"three"}}).error().code == ErrorCode::not_found);
}

TEST_CASE("vectors of a chat model do not outweigh words") {
    DocumentStage stage;
    stage.registry.info("demo").capabilities = {"completion"};
    for (const auto* thing : {"cup", "hat", "map", "key", "box", "drum", "bell", "lamp", "ring", "coin"})
        for (const auto* colour : {"red", "blue", "green", "white", "black"}) stage.add("The " + std::string(colour) + " " + thing + " is here.").value();
    for (const auto* asked : {"blue map", "white drum", "black coin", "red cup", "green lamp"})
        CHECK(stage.texts({.query = "Where is the " + std::string(asked) + "?", .limit = 1}) == Texts{"The " + std::string(asked) + " is here."});
}

TEST_CASE("what is less similar or worse than was asked for is left out") {
    DocumentStage stage;
    stage.add("the book").value();
    stage.add("something else").value();
    CHECK(stage.texts({.query = "the book", .min_similarity = 0.999}) == Texts{"the book"});
    CHECK(stage.texts({.query = "the book", .min_score = 0.9}) == Texts{"the book"});
    CHECK(stage.texts({.query = "the book"}).size() == 2);
}

TEST_CASE("a long document is embedded in parts and found by each of its passages") {
    DocumentLimits limits;
    limits.passages = {.bytes = 64, .overlap = 0};
    limits.embed_at_once = 4;
    DocumentStage stage(limits);
    std::string text;
    for (int i = 0; i < 30; ++i) text += "Sentence number " + std::to_string(i) + " says something of its own here.\n\n";
    CHECK(stage.add(text).value().passages == 30);
    CHECK(stage.runner->embed_requests.size() == 8);
    CHECK(stage.texts({.query = "Sentence number 17 says something of its own here.", .limit = 1}).at(0).contains("17"));
}

TEST_CASE("after a change of the model, documents are embedded anew, and vectors of both are never compared") {
    DocumentStage stage;
    stage.embedding_model = "demo";
    stage.restart();
    stage.add("the book").value();
    stage.add("the cup").value();
    stage.registry.add("other", {"embedding"});
    stage.embedding_model = "other";
    stage.restart();
    const auto first = stage.search({.query = "the book", .mode = SearchMode::vector}).value();
    CHECK(first.hits.empty());
    CHECK(first.stale_documents == 2);
    CHECK(stage.texts({.query = "book", .mode = SearchMode::keyword}) == Texts{"the book"});
    SearchResult later = first;
    const auto end = std::chrono::steady_clock::now() + patience;
    while (later.stale_documents > 0 && std::chrono::steady_clock::now() < end) {
        stage.io.run_for(10ms);  // a disk may take its time
        later = stage.search({.query = "the book", .mode = SearchMode::vector}).value();
    }
    CHECK(later.stale_documents == 0);
    CHECK(later.hits.size() == 2);
    CHECK(stage.documents);
}

TEST_CASE("without a configured model, documents keep the one that they have") {
    DocumentStage stage;
    const auto row = stage.add("the book").value();
    stage.registry.add("newer", {"embedding"});
    stage.registry.info("newer").modified_at = std::chrono::system_clock::now() + 1h;
    CHECK(stage.add("the cup").value().embedding == row.embedding);
    CHECK(stage.add("the cup", {.tenant = "other"}).value().embedding != row.embedding);
}

TEST_CASE("what cannot be added says why") {
    DocumentLimits limits;
    limits.document_bytes = 100;
    limits.quota.documents = 1;
    DocumentStage stage(limits);
    CHECK(stage.add(std::string(101, 'x')).error().code == ErrorCode::too_large);
    CHECK(stage.add("  \n").error().code == ErrorCode::invalid_request);
    CHECK(stage.add("no pdf", {.type = DocumentType::pdf}).error().code == ErrorCode::invalid_request);
    stage.runner->embed_fails = Error{.code = ErrorCode::overloaded, .message = "full"};
    CHECK(stage.add("text").error().code == ErrorCode::overloaded);
    stage.runner->embed_fails.reset();
    CHECK(stage.add("text"));
    CHECK(stage.add("more").error().code == ErrorCode::rate_limited);
    CHECK(stage.texts({.query = "text more"}) == Texts{"text"});
}

TEST_CASE("pages have the title of their document when no name is given") {
    DocumentStage stage;
    CHECK(stage.add("<title>The house</title><p>A book.</p>", {.type = DocumentType::html}).value().name == "The house");
    CHECK(document_type("Text/HTML; charset=utf-8") == DocumentType::html);
    CHECK_FALSE(document_type("image/png"));
}

TEST_CASE("a client who leaves while its document is embedded leaves nothing behind") {
    DocumentStage stage;
    stage.runner->embed_hangs = true;
    std::function<void()> leave;
    std::optional<Result<DocumentRow>> outcome;
    asio::co_spawn(stage.io, stage.documents->add({.bytes = "the book"}, [&leave](std::function<void()> then) { leave = std::move(then); }),
                   [&outcome](const std::exception_ptr&, Result<DocumentRow> got) { outcome.emplace(std::move(got)); });
    const auto end = std::chrono::steady_clock::now() + patience;
    while (stage.runner->embed_requests.empty() && std::chrono::steady_clock::now() < end) stage.io.run_one_for(5ms);
    REQUIRE(leave);
    leave();
    while (!outcome && std::chrono::steady_clock::now() < end) stage.io.run_one_for(5ms);
    REQUIRE(outcome);
    CHECK(outcome->error().code == ErrorCode::cancelled);
    stage.runner->embed_hangs = false;
    CHECK(stage.texts({.query = "book"}).empty());
}

}  // namespace weft::test
