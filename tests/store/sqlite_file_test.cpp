#include "store/sqlite_file.h"

#include <catch2/catch_test_macros.hpp>
#include <fstream>

#include "store/schema.h"
#include "store/store_scene.h"

namespace weft::test {
namespace {

Result<std::unique_ptr<SqliteFile>> open(const std::filesystem::path& folder) {
    return SqliteFile::open(folder, {}, [](const std::function<void()>&) {});
}

}  // namespace

TEST_CASE("one process has the store at a time") {
    const TemporaryFolder folder;
    auto first = open(folder.path());
    REQUIRE(first);
    const auto second = open(folder.path());
    REQUIRE_FALSE(second);
    CHECK(second.error().code == ErrorCode::overloaded);
    first->reset();
    CHECK(open(folder.path()));
}

TEST_CASE("a store of a newer version is left alone") {
    const TemporaryFolder folder;
    REQUIRE(open(folder.path()));
    auto database = Database::open(folder.path() / "jobs.db", Database::Access::read_write).value();
    REQUIRE(database.execute("PRAGMA user_version = 1000"));
    const auto opened = open(folder.path());
    REQUIRE_FALSE(opened);
    CHECK(opened.error().detail.find("schema 1000") != std::string::npos);
}

TEST_CASE("the log of commits does not grow for ever, and what was moved out of it is there") {
    StoreScene scene;
    constexpr int jobs = 1000;
    for (int i = 0; i < jobs; ++i) {
        auto job = job_named("job-" + std::to_string(i));
        job.row.request = std::string(60'000, 'x');
        scene.add(std::move(job)).value();
    }
    // 60 MB were committed; a log of 4,000 pages is moved by who commits, if nobody else did.
    CHECK(std::filesystem::file_size(scene.folder.path() / "jobs.db-wal") < (24U << 20U));
    CHECK(std::filesystem::file_size(scene.folder.path() / "jobs.db") > (32U << 20U));
    scene.reopen();
    CHECK(scene.taken_up().size() == jobs);
}

TEST_CASE("a store that was closed is one file, with no log beside it") {
    StoreScene scene;
    for (int i = 0; i < 10; ++i) scene.add(job_named("job-" + std::to_string(i))).value();
    CHECK(scene.find("job-3"));  // both threads have been at work
    scene.store.reset();
    scene.file.reset();
    CHECK_FALSE(std::filesystem::exists(scene.folder.path() / "jobs.db-wal"));
    const TemporaryFolder copy;
    std::filesystem::copy_file(scene.folder.path() / "jobs.db", copy.path() / "jobs.db");
    auto database = Database::open(copy.path() / "jobs.db", Database::Access::read_write).value();
    CHECK(database.number("SELECT count(*) FROM jobs") == 10);
}

TEST_CASE("a damaged store is not opened, and not changed") {
    const TemporaryFolder folder;
    {
        StoreScene scene;
        for (int i = 0; i < 200; ++i) scene.add(job_named("job-" + std::to_string(i))).value();
        scene.store.reset();
        scene.file.reset();
        std::filesystem::copy(scene.folder.path() / "jobs.db", folder.path() / "jobs.db");
    }
    const auto file = folder.path() / "jobs.db";
    const auto size = std::filesystem::file_size(file);
    {
        std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
        bytes.seekp(static_cast<std::streamoff>(size / 2));
        bytes << std::string(8192, '\xff');
    }
    const auto opened = open(folder.path());
    REQUIRE_FALSE(opened);
    CHECK(opened.error().message == "the job store is damaged");
    CHECK(std::filesystem::file_size(file) == size);
}

TEST_CASE("damage that is found while the store is in use ends new work") {
    StoreScene scene({.check_patience = std::chrono::milliseconds{0}});
    for (int i = 0; i < 2000; ++i) scene.add(job_named("job-" + std::to_string(i))).value();
    scene.store.reset();
    scene.file.reset();
    {
        const auto file = scene.folder.path() / "jobs.db";
        std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
        bytes.seekp(static_cast<std::streamoff>(std::filesystem::file_size(file) / 2));
        bytes << std::string(8192, '\xff');
    }
    scene.reopen();
    REQUIRE(scene.file->check() != nullptr);
    CHECK(scene.file->check()->wait(std::chrono::seconds(30)) == IntegrityCheck::Outcome::damaged);
    CHECK_FALSE(scene.file->check()->damage().empty());
    CHECK(scene.add(job_named("more")).error().message == "the job store is damaged");
}

TEST_CASE("a store that was left in order is found sound") {
    StoreScene scene;
    for (int i = 0; i < 200; ++i) scene.add(job_named("job-" + std::to_string(i))).value();
    CHECK(scene.file->check() == nullptr);  // a new file
    scene.reopen();
    REQUIRE(scene.file->check() != nullptr);
    CHECK(scene.file->check()->wait(std::chrono::seconds(30)) == IntegrityCheck::Outcome::sound);
    CHECK(scene.add(job_named("more")));
}

TEST_CASE("a check that is broken off says nothing and leaves the file alone") {
    const TemporaryFolder folder;
    const auto file = folder.path() / "big.db";
    {
        auto database = Database::open(file, Database::Access::read_write).value();
        REQUIRE(database.execute("PRAGMA journal_mode = WAL; CREATE TABLE t(a); "
                                 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
                                 "INSERT INTO t SELECT randomblob(200) FROM n"));
    }
    for (int i = 0; i < 20; ++i) REQUIRE(IntegrityCheck::begin(file));
    CHECK(IntegrityCheck::begin(file).value()->wait(std::chrono::seconds(30)) == IntegrityCheck::Outcome::sound);
}

TEST_CASE("a statement is prepared once and can be used by itself twice at a time") {
    const TemporaryFolder folder;
    auto database = Database::open(folder.path() / "d", Database::Access::read_write).value();
    REQUIRE(database.execute("CREATE TABLE t(a); INSERT INTO t VALUES(1), (2)"));
    for (int round = 0; round < 3; ++round) {
        auto outer = database.prepare("SELECT a FROM t WHERE a >= ?1 ORDER BY a").value();
        REQUIRE(outer.bind(1, std::int64_t{1}).step() == true);
        {
            auto inner = database.prepare("SELECT a FROM t WHERE a >= ?1 ORDER BY a").value();
            CHECK(inner.step() == false);  // what was bound to the other one is not bound here
            REQUIRE(inner.bind(1, std::int64_t{2}).step() == true);
            CHECK(inner.integer(0) == 2);
        }
        CHECK(outer.integer(0) == 1);
    }
}

TEST_CASE("writes that are refused leave their transaction to the others") {
    StoreScene scene({.reserved_bytes = UINT64_MAX / 2});
    int refused = 0;
    constexpr int jobs = 300;
    for (int i = 0; i < jobs; ++i)
        scene.store->add(job_named("job-" + std::to_string(i)), [&](const Result<AddedJob>& added) { refused += !added && added.error().code == ErrorCode::storage_full; });
    while (refused < jobs) (void)scene.find("none");
    const auto counts = scene.file->commit_counts();
    CHECK(counts.failed == jobs);
    CHECK(scene.get<JobPage>([&](auto done) { scene.store->list({.tenant = "t", .limit = 100}, done); })->rows.empty());
}

TEST_CASE("a full store refuses new jobs, lets accepted ones end, and takes new ones when there is room again") {
    StoreScene scene({.max_bytes = 1 << 20, .reserved_bytes = 256 << 10});
    std::vector<std::int64_t> numbers;
    auto big = [](std::size_t i) {
        auto job = job_named("job-" + std::to_string(i));
        job.row.request = std::string(20'000, 'x');
        return job;
    };
    Result<AddedJob> added{};
    while ((added = scene.add(big(numbers.size())))) {
        numbers.push_back(added->number);
        REQUIRE(numbers.size() < 100);
    }
    CHECK(added.error().code == ErrorCode::storage_full);
    REQUIRE(numbers.size() > 10);
    for (const auto number : numbers) {
        CHECK(scene.start({number, 1}) == true);
        CHECK(scene.finish({number, 1}, {.output = {"done", {4}}}) == true);  // the request is not needed any more
    }
    CHECK(scene.add(big(numbers.size())));
    scene.reopen();
    CHECK(scene.taken_up().size() == 1);
    CHECK(scene.find("job-0")->output.text == "done");
}

TEST_CASE("a write that fails does not take with it those that share its transaction") {
    StoreScene scene({.max_bytes = 1 << 20, .reserved_bytes = 128 << 10});
    int failed = 0;
    int added = 0;
    constexpr int jobs = 60;
    for (int i = 0; i < jobs; ++i) {
        auto job = job_named("job-" + std::to_string(i));
        job.row.request = std::string(i % 2 == 0 ? 100 : 60'000, 'x');
        scene.store->add(std::move(job), [&](const Result<AddedJob>& outcome) { ++(outcome ? added : failed); });
    }
    while (added + failed < jobs) (void)scene.find("none");
    CHECK(failed > 0);
    CHECK(static_cast<int>(scene.get<JobPage>([&](auto done) { scene.store->list({.tenant = "t", .limit = 100}, done); })->rows.size()) == added);
}

}  // namespace weft::test
