#include "store/sqlite_batch_store.h"

#include <catch2/catch_test_macros.hpp>
#include <fstream>

#include "store/store_scene.h"

namespace weft::test {
namespace {

// The other store in the same file.
struct BatchScene {
    StoreScene scene;
    std::unique_ptr<SqliteBatchStore> store = SqliteBatchStore::open(*scene.file).value();

    void reopen() {
        store.reset();
        scene.reopen();
        store = SqliteBatchStore::open(*scene.file).value();
    }
    Result<bool> add_file(std::string id, std::string content, std::string tenant = "t", std::int64_t expires_s = 0) {
        NewFile file{.row = {.id = id, .tenant = std::move(tenant), .filename = "f", .purpose = "batch", .expires_s = expires_s}, .content = std::move(content)};
        return scene.get<bool>([&](auto done) { store->add_file(std::move(file), done); });
    }
    Result<std::string> read_file(const std::string& id, const std::string& tenant = "t") {
        return scene.get<std::string>([&](auto done) { store->read_file(tenant, id, done); });
    }
    std::vector<BatchAnswer> answers(std::int64_t number) {
        return scene.get<std::vector<BatchAnswer>>([&](auto done) { store->answers(number, done); }).value();
    }
};

}  // namespace

TEST_CASE("a file's content outlives the process, and is its tenant's alone") {
    BatchScene scene;
    CHECK(scene.add_file("file-a", std::string("a\0b", 3)));
    scene.reopen();
    CHECK(scene.read_file("file-a") == std::string("a\0b", 3));
    CHECK(scene.read_file("file-a", "other").error().code == ErrorCode::not_found);
    const auto remove = [&](const char* tenant) { return scene.scene.get<bool>([&](auto done) { scene.store->remove_file(tenant, "file-a", done); }); };
    CHECK(remove("other") == false);
    CHECK(remove("t") == true);
    CHECK(scene.read_file("file-a").error().code == ErrorCode::not_found);
    CHECK(std::filesystem::is_empty(scene.scene.folder.path() / "files"));
}

TEST_CASE("a page after what is not there is refused, and does not look like the last one") {
    BatchScene scene;
    for (const auto* id : {"file-a", "file-b"}) CHECK(scene.add_file(id, "x"));
    const auto page = [&](std::string after) {
        return scene.scene.get<std::vector<FileRow>>([&](auto done) { scene.store->list_files({.tenant = "t", .after_id = after}, done); });
    };
    CHECK(page("file-b")->size() == 1);
    CHECK(page("file-lost").error().field == "after");
    const auto batches = scene.scene.get<std::vector<BatchRecord>>([&](auto done) { scene.store->list_batches({.tenant = "t", .after_id = "none"}, done); });
    CHECK(batches.error().code == ErrorCode::invalid_request);
    CHECK(batches.error().field == "after");
}

TEST_CASE("contents that a crash left without a file are removed at the next start") {
    BatchScene scene;
    CHECK(scene.add_file("file-a", "x"));
    const auto orphan = scene.scene.folder.path() / "files" / "file-lost";
    std::ofstream(orphan) << "never committed";
    scene.reopen();
    CHECK_FALSE(std::filesystem::exists(orphan));
    CHECK(scene.read_file("file-a") == "x");
}

TEST_CASE("files and ended batches expire") {
    BatchScene scene;
    CHECK(scene.add_file("file-a", "x", "t", 100));
    CHECK(scene.add_file("file-b", "y"));
    const auto number = scene.scene.get<std::int64_t>([&](auto done) { scene.store->add_batch({.id = "batch_a", .tenant = "t", .state = "s"}, done); }).value();
    const auto expire = [&](std::int64_t now) { return scene.scene.get<std::size_t>([&](auto done) { scene.store->expire(now, done); }).value(); };
    CHECK(expire(99) == 0);
    CHECK(expire(100) == 1);
    CHECK_FALSE(std::filesystem::exists(scene.scene.folder.path() / "files" / "file-a"));
    CHECK(scene.read_file("file-b") == "y");
    const auto find = [&] { return scene.scene.get<BatchRecord>([&](auto done) { scene.store->find_batch("t", "batch_a", done); }); };
    CHECK(find());
    const BatchRecord ended{.number = number, .id = "batch_a", .tenant = "t", .state = "e", .running = false, .expires_s = 200};
    CHECK(scene.scene.get<bool>([&](auto done) { scene.store->update_batch(ended, done); }));
    expire(199);
    CHECK(find()->state == "e");
    expire(200);
    CHECK_FALSE(find());
}

TEST_CASE("a line is answered once, and results take the answers' place in one step") {
    BatchScene scene;
    const auto number = scene.scene.get<std::int64_t>([&](auto done) { scene.store->add_batch({.id = "batch_a", .tenant = "t", .state = "s"}, done); }).value();
    const auto answer = [&](std::int64_t line, const char* text) {
        return scene.scene.get<bool>([&](auto done) { scene.store->add_answer(number, {.line = line, .text = text}, done); });
    };
    CHECK(answer(2, "two") == true);
    CHECK(answer(1, "one") == true);
    CHECK(answer(2, "again") == false);
    scene.reopen();
    REQUIRE(scene.store->running_batches()->size() == 1);
    const auto known = scene.answers(number);
    REQUIRE(known.size() == 2);
    CHECK(known[0].text == "one");
    CHECK(known[1].text == "two");
    const BatchRecord ended{.number = number, .id = "batch_a", .tenant = "t", .state = "done", .running = false};
    std::vector<NewFile> results{{.row = {.id = "file-out", .tenant = "t", .filename = "o", .purpose = "batch_output"}, .content = "one\ntwo\n"}};
    CHECK(scene.scene.get<bool>([&](auto done) { scene.store->finish_batch(ended, results, done); }) == true);
    scene.reopen();
    CHECK(scene.store->running_batches()->empty());
    CHECK(scene.answers(number).empty());
    CHECK(scene.read_file("file-out") == "one\ntwo\n");
}

}  // namespace weft::test
