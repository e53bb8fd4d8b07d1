#include "store/sqlite_document_store.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "store/schema.h"
#include "store/search_words.h"
#include "store/store_scene.h"

namespace weft::test {
namespace {

using Numbers = std::vector<std::int64_t>;

NewDocument document_of(std::string id, std::vector<std::string> texts, std::string tenant = "t") {
    NewDocument document{.row = {.id = std::move(id), .tenant = std::move(tenant), .name = "name", .content_type = "text/plain",
                                 .created_ms = 5, .embedding = "m@1", .dimensions = 2}};
    for (auto& text : texts) {
        document.row.bytes += static_cast<std::int64_t>(text.size());
        document.passages.push_back({.start = 0, .text = text, .words = search_words(text), .vector = {1, 0.5F}});
    }
    return document;
}

class DocumentScene {
  public:
    Result<AddedDocument> add(NewDocument document) {
        return scene.get<AddedDocument>([&](auto done) { store().add(std::move(document), done); });
    }
    Numbers with_words(const std::string& text, const std::string& tenant = "t", Numbers documents = {}) {
        return scene.get<Numbers>([&](auto done) { store().with_words(tenant, search_words(text), documents, 10, done); }).value();
    }
    Result<DocumentRow> find(const std::string& id, const std::string& tenant = "t") {
        return scene.get<DocumentRow>([&](auto done) { store().find(tenant, id, done); });
    }
    Result<DocumentRow> remove(const std::string& id, const std::string& tenant = "t") {
        return scene.get<DocumentRow>([&](auto done) { store().remove(tenant, id, done); });
    }
    SqliteDocumentStore& store() {
        if (!store_ || file_ != scene.file.get()) store_ = std::make_unique<SqliteDocumentStore>(*(file_ = scene.file.get()));
        return *store_;
    }
    StoreScene scene;

  private:
    SqliteFile* file_ = nullptr;
    std::unique_ptr<SqliteDocumentStore> store_;
};

}  // namespace

TEST_CASE("words are letters and digits in lower case, and characters of scripts without blanks stand alone") {
    CHECK(search_words("The Green-book, 42!") == "the green book 42");
    CHECK(search_words("Caf\u00c9 \u00d6l \u041c\u0438\u0440 \u0391\u03b1 \u0141\u00f3d\u017a") == "caf\u00e9 \u00f6l \u043c\u0438\u0440 \u03b1\u03b1 \u0142\u00f3d\u017a");
    CHECK(search_words("\u4e2d\u6587a") == "\u4e2d \u6587 a");
    CHECK(search_words("a\u2014b\u3002c\u00a0d") == "a b c d");
    CHECK(search_words("a\xff\xc3") == "a");
    CHECK(search_words(std::string(100, 'x')) == std::string(max_word_bytes, 'x'));
    CHECK(distinct_words("a b a c", 10) == std::vector<std::string>{"a", "b", "c"});
    CHECK(distinct_words("a b c", 2).size() == 2);
}

TEST_CASE("a document is found by its id and its words, also after a restart") {
    DocumentScene scene;
    const auto added = scene.add(document_of("d", {"The green book is in the kitchen.", "Ana lives in Oslo."})).value();
    scene.scene.reopen();
    const auto row = scene.find("d").value();
    CHECK(row.name == "name");
    CHECK(row.passages == 2);
    CHECK(row.embedding == "m@1");
    auto both = scene.with_words("Where is the book in Oslo?");
    std::ranges::sort(both);
    CHECK(both == Numbers{added.first_passage, added.first_passage + 1});
    CHECK(scene.with_words("OSLO") == Numbers{added.first_passage + 1});
    CHECK(scene.with_words("nothing here \" OR * NEAR(").empty());
    const auto passages = scene.scene.get<std::vector<FoundPassage>>([&](auto done) { scene.store().passages("t", {added.first_passage + 1, 99}, done); }).value();
    REQUIRE(passages.size() == 1);
    CHECK(passages[0].text == "Ana lives in Oslo.");
    CHECK(passages[0].document_id == "d");
    CHECK(passages[0].place == 1);
}

TEST_CASE("nothing of one tenant is seen by another, whatever words it knows") {
    DocumentScene scene;
    const auto mine = scene.add(document_of("mine", {"the secret"}, "a")).value();
    const auto theirs = scene.add(document_of("theirs", {"the secret"}, "b")).value();
    CHECK(scene.with_words("secret", "a") == Numbers{mine.first_passage});
    CHECK(scene.with_words("secret", "b") == Numbers{theirs.first_passage});
    CHECK(scene.with_words("secret", "c").empty());
    CHECK(scene.with_words("1xsecret", "b").empty());
    CHECK(scene.with_words("secret", "b", {mine.number}).empty());
    CHECK(scene.find("mine", "b").error().code == ErrorCode::not_found);
    CHECK(scene.remove("mine", "b").error().code == ErrorCode::not_found);
    CHECK(scene.scene.get<std::vector<FoundPassage>>([&](auto done) { scene.store().passages("b", {mine.first_passage}, done); })->empty());
    CHECK(scene.scene.get<Numbers>([&](auto done) { scene.store().numbers("b", {"mine", "name"}, done); }) == Numbers{theirs.number});
    CHECK(scene.scene.get<VectorPage>([&](auto done) { scene.store().vectors("b", "m@1", 0, 10, done); })->vectors.size() == 1);
    CHECK(scene.scene.get<DocumentPage>([&](auto done) { scene.store().list({.tenant = "b"}, done); })->rows.size() == 1);
}

TEST_CASE("what was removed is not found any more, and its room is free again") {
    DocumentScene scene;
    auto document = document_of("d", {"the book", "a cup"});
    document.quota = {.documents = 1, .passages = 3, .bytes = 1000};
    scene.add(document).value();
    auto second = document;
    second.row.id = "e";
    CHECK(scene.add(second).error().code == ErrorCode::rate_limited);
    CHECK(scene.remove("d")->passages == 2);
    CHECK(scene.with_words("book").empty());
    CHECK(scene.find("d").error().code == ErrorCode::not_found);
    CHECK(scene.add(second));
    CHECK(scene.with_words("book").size() == 1);
}

TEST_CASE("a key's documents, passages and bytes are bounded together") {
    DocumentScene scene;
    const auto add = [&](DocumentQuota quota, std::string id) {
        auto document = document_of(std::move(id), {"one two", "three"});
        document.quota = quota;
        return scene.add(std::move(document));
    };
    CHECK(add({}, "a"));
    CHECK(add({.documents = 1}, "b").error().message.contains("documents"));
    CHECK(add({.passages = 3}, "b").error().message.contains("passages"));
    CHECK(add({.bytes = 23}, "b").error().message.contains("bytes"));
    CHECK(add({.documents = 2, .passages = 4, .bytes = 24}, "b"));
    CHECK(scene.add(document_of("c", {"x"}, "other")));
}

TEST_CASE("vectors come in pages of whole documents, and those of another model are told apart") {
    DocumentScene scene;
    for (const auto* id : {"a", "b", "c"}) scene.add(document_of(id, {"x", "y"})).value();
    const auto page = [&](std::int64_t after, const std::string& embedding = "m@1") {
        return scene.scene.get<VectorPage>([&](auto done) { scene.store().vectors("t", embedding, after, 3, done); }).value();
    };
    const auto first = page(0);
    CHECK(first.vectors.size() == 4);
    CHECK(first.has_more);
    CHECK(first.vectors[0].vector == std::vector<float>{1, 0.5F});
    const auto rest = page(first.last_document);
    CHECK(rest.vectors.size() == 2);
    CHECK_FALSE(rest.has_more);

    const auto stale = [&] { return scene.scene.get<std::size_t>([&](auto done) { scene.store().count_stale("t", "n@2", done); }).value(); };
    CHECK(stale() == 3);
    const auto next = scene.scene.get<std::optional<StaleDocument>>([&](auto done) { scene.store().next_stale("t", "n@2", done); }).value();
    REQUIRE(next);
    CHECK(next->texts == std::vector<std::string>{"x", "y"});
    const auto replace = [&](std::vector<std::vector<float>> vectors) {
        return scene.scene.get<bool>([&](auto done) { scene.store().replace_vectors(next->number, "n@2", std::move(vectors), done); }).value();
    };
    CHECK_FALSE(replace({{1}}));
    CHECK(replace({{1, 2, 3}, {4, 5, 6}}));
    CHECK(stale() == 2);
    CHECK(page(0, "n@2").vectors.at(1).vector == std::vector<float>{4, 5, 6});
    CHECK(page(0).vectors.size() == 4);
}

TEST_CASE("pages of documents are newest first and go on behind any of them") {
    DocumentScene scene;
    for (const auto* id : {"a", "b", "c"}) scene.add(document_of(id, {"x"})).value();
    const auto page = [&](std::string after, std::size_t limit) {
        return scene.scene.get<DocumentPage>([&](auto done) { scene.store().list({.tenant = "t", .after_id = after, .limit = limit}, done); }).value();
    };
    CHECK(page("", 2).rows.at(0).id == "c");
    CHECK(page("", 2).has_more);
    CHECK(page("b", 2).rows.size() == 1);
    CHECK_FALSE(page("b", 2).has_more);
    const auto after_nobody = scene.scene.get<DocumentPage>([&](auto done) { scene.store().list({.tenant = "t", .after_id = "nobody", .limit = 2}, done); });
    CHECK(after_nobody.error().field == "after");
}

TEST_CASE("a store of the first version gets its tables for documents and pipelines, and keeps its jobs") {
    StoreScene scene;
    scene.store.reset();
    scene.file.reset();
    for (const auto* name : {"jobs.db", "jobs.db-wal", "jobs.db-shm"}) std::filesystem::remove(scene.folder.path() / name);
    constexpr std::int64_t number = 7;
    {
        auto old = Database::open(scene.folder.path() / "jobs.db", Database::Access::read_write).value();
        REQUIRE(old.execute("PRAGMA journal_mode = WAL"));
        REQUIRE(migrate(old, 1));
        REQUIRE(old.execute("INSERT INTO jobs VALUES(7, 'old', 't', 's', 0, 'demo', '{}', 2, '', '{}', 0, 0, 0, 5, 0, 0, 0, 0, '', x'', '', '', "
                            "0, 0, 0, 0, '', 0, 0, 0)"));
    }
    scene.reopen();
    CHECK(scene.find("old")->number == number);
    SqliteDocumentStore documents(*scene.file);
    CHECK(scene.get<AddedDocument>([&](auto done) { documents.add(document_of("d", {"x"}), done); }));
    auto job = job_named("new");
    job.row.pipeline = "ask";
    const auto added = scene.add(job).value();
    CHECK(scene.finish({added.number, 0}, {.sources = "[1]", .trace = "[2]", .error_stage = "post"}) == true);
    const auto row = scene.find("new");
    CHECK(row->pipeline == "ask");
    CHECK(row->sources == "[1]");
    CHECK(row->trace == "[2]");
    CHECK(row->error_stage == "post");
}

}  // namespace weft::test
