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
    CHECK(scene.store->unfinished()->size() == 1);
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
