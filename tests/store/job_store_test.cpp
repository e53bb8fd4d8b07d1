#include "store/job_store.h"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <random>
#include <set>

#include "store/redis_scene.h"
#include "store/schema.h"
#include "store/store_scene.h"

namespace weft::test {

// Every promise of JobStore, asked of each store.
#define STORE_TEST_CASE(title) TEMPLATE_TEST_CASE(title, "", StoreScene, RedisScene)

STORE_TEST_CASE("what was acknowledged is there after a restart") {
    TestType owner;
    JobScene& scene = owner;
    auto job = job_named("a");
    job.row.metadata = R"({"k":"v"})";
    job.row.request = R"({"prompt":"Hello"})";
    job.row.priority = -100;
    job.row.deadline_ms = 77;
    const auto number = scene.add(job)->number;
    scene.reopen();
    const auto row = scene.find("a");
    REQUIRE(row);
    CHECK(row->number == number);
    CHECK(row->status == JobStatus::pending);
    CHECK(row->request.empty());
    CHECK(row->metadata == R"({"k":"v"})");
    CHECK(row->priority == -100);
    CHECK(row->deadline_ms == 77);
    CHECK(scene.get<std::string>([&](auto done) { scene.jobs().load_request(number, done); }) == R"({"prompt":"Hello"})");
}

STORE_TEST_CASE("a job ends once, at its current attempt, and stays as it ended") {
    TestType owner;
    JobScene& scene = owner;
    const auto number = scene.add(job_named("a"))->number;
    CHECK(scene.start({number, 1}) == true);
    CHECK(scene.start({number, 1}) == false);
    CHECK(scene.start({number, 2}) == true);
    CHECK(scene.finish({number, 1}, {.output = {"late", {4}}}) == false);
    CHECK(scene.finish({number, 2}, {.output = {"right", {2, 3}}, .completion_tokens = 2, .finished_ms = 5, .expires_ms = 50}) == true);
    CHECK(scene.finish({number, 2}, {.status = JobStatus::failed}) == false);
    CHECK(scene.start({number, 3}) == false);
    scene.reopen();
    const auto row = scene.find("a");
    REQUIRE(row);
    CHECK(row->status == JobStatus::completed);
    CHECK(row->output.text == "right");
    CHECK(row->output.sizes == std::vector<std::uint32_t>{2, 3});
    CHECK(row->completion_tokens == 2);
}

TEST_CASE("a store of the first version is brought up to date with what is in it") {
    StoreScene scene;
    scene.store.reset();
    scene.file.reset();
    for (const auto* name : {"jobs.db", "jobs.db-wal", "jobs.db-shm"}) std::filesystem::remove(scene.folder.path() / name);
    {
        auto old = Database::open(scene.folder.path() / "jobs.db", Database::Access::read_write).value();
        REQUIRE(old.execute("PRAGMA journal_mode = WAL"));
        REQUIRE(migrate(old, 1));
        REQUIRE(old.execute("INSERT INTO jobs VALUES(7, 'a', 't', 's', 1, 'demo', '{}', 2, '', '{}', 0, 0, 0, 5, 0, 0, 0, 0, '', x'', '', '', "
                            "0, 0, 0, 0, '', 0, 0, 0)"));
        REQUIRE(old.execute("INSERT INTO sessions VALUES(1, 's', 't', '', '', 5, 1000, 2000)"));
        REQUIRE(old.execute("INSERT INTO turns VALUES(1, 0, 'user', 'Hello', 'z')"));
    }
    scene.reopen();
    REQUIRE(scene.taken_up().size() == 1);
    const SessionTurn answer{.role = "assistant", .content = "", .message = R"({"role":"assistant"})"};
    CHECK(scene.finish({7, 1}, {.output = {"x", {1}}, .thinking = "Hm.", .tool_calls = "[]", .session_id = "s", .turns = {answer}}) == true);
    CHECK(scene.find("a")->thinking == "Hm.");
    CHECK(scene.find("a")->tool_calls == "[]");
    const auto session = scene.get<std::optional<SessionRow>>([&](auto done) { scene.store->find_session("t", "s", done); }).value().value();
    REQUIRE(session.turns.size() == 2);
    CHECK(session.turns[0].content == "Hello");
    CHECK(session.turns[1].message == answer.message);
}

STORE_TEST_CASE("sizes of chunks of any length come back as they were") {
    TestType owner;
    JobScene& scene = owner;
    const auto number = scene.add(job_named("a"))->number;
    const std::vector<std::uint32_t> sizes{0, 1, 127, 128, 16'383, 16'384, 2'000'000'000};
    scene.finish({number, 0}, {.output = {"", sizes}}).value();
    CHECK(scene.find("a")->output.sizes == sizes);
}

STORE_TEST_CASE("the text of a running job is kept until its end or its next attempt") {
    TestType owner;
    JobScene& scene = owner;
    const auto number = scene.add(job_named("a"))->number;
    scene.start({number, 1}).value();
    CHECK(scene.keep_text({number, 1}, 0, {"Once ", {5}}) == 1);
    CHECK(scene.keep_text({number, 1}, 1, {"upon a", {4, 2}}) == 3);
    CHECK(scene.keep_text({number, 2}, 0, {"of nobody", {9}}).error().code == ErrorCode::conflict);
    scene.reopen();
    CHECK(scene.kept("a", {number, 1}).text == "Once upon a");
    CHECK(scene.kept("a", {number, 1}).sizes == std::vector<std::uint32_t>{5, 4, 2});
    CHECK(scene.kept("a", {number, 2}).text.empty());
    scene.start({number, 2}).value();
    scene.reopen();
    CHECK(scene.kept("a", {number, 1}).text.empty());
    scene.finish({number, 2}, {.output = {"all", {3}}}).value();
    CHECK(scene.keep_text({number, 2}, 0, {"more", {4}}).error().code == ErrorCode::conflict);
    CHECK(scene.find("a")->output.text == "all");
}

TEST_CASE("what was unfinished when the process ended is told at the next start, oldest first") {
    StoreScene scene;
    scene.add(job_named("a")).value();
    const auto done = scene.add(job_named("b"))->number;
    scene.add(job_named("c")).value();
    scene.finish({done, 0}, {}).value();
    scene.reopen();
    const auto rows = scene.taken_up();
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].id == "a");
    CHECK(rows[1].id == "c");
    CHECK(rows[0].request_bytes == 2);
}

STORE_TEST_CASE("a key names one job of its tenant, and is free again when its time is over or the job is removed") {
    TestType owner;
    JobScene& scene = owner;
    const auto with_key = [](const char* id, const char* hash, std::int64_t now, const char* tenant = "t") {
        auto job = job_named(id, tenant);
        job.idempotency_key = "key";
        job.body_hash = hash;
        job.row.created_ms = now;
        job.key_expires_ms = now + 100;
        return job;
    };
    const auto first = scene.add(with_key("a", "x", 1000)).value();
    CHECK(first.existing_id.empty());
    const auto same = scene.add(with_key("b", "x", 1050)).value();
    CHECK(same.existing_id == "a");
    CHECK(same.same_body);
    CHECK_FALSE(scene.add(with_key("c", "y", 1050))->same_body);
    CHECK(scene.add(with_key("d", "x", 1050, "other"))->existing_id.empty());
    CHECK(scene.add(with_key("e", "x", 1100))->existing_id.empty());
    CHECK_FALSE(scene.find("b"));
    const auto e = scene.find("e")->number;
    scene.finish({e, 0}, {}).value();
    CHECK(scene.remove(e) == true);
    CHECK(scene.add(with_key("f", "x", 1101))->existing_id.empty());
}

STORE_TEST_CASE("a page lists one tenant's jobs, newest first") {
    TestType owner;
    JobScene& scene = owner;
    for (int i = 0; i < 7; ++i) scene.add(job_named("j" + std::to_string(i), i == 3 ? "other" : "t")).value();
    const auto ids = [&scene](JobQuery query) {
        std::vector<std::string> found;
        for (const auto& row : scene.get<JobPage>([&](auto done) { scene.jobs().list(query, done); })->rows) found.push_back(row.id);
        return found;
    };
    using Ids = std::vector<std::string>;
    CHECK(ids({.tenant = "t", .limit = 3}) == Ids{"j6", "j5", "j4"});
    CHECK(ids({.tenant = "t", .after_id = "j4", .limit = 2}) == Ids{"j2", "j1"});
    for (const auto* cursor : {"j3", "unknown"}) {
        const auto refused = scene.get<JobPage>([&](auto done) { scene.jobs().list({.tenant = "t", .after_id = cursor}, done); });
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == ErrorCode::invalid_request);
        CHECK(refused.error().field == "after");
    }
    CHECK(ids({.tenant = "other"}) == Ids{"j3"});
    scene.finish({scene.find("j5")->number, 0}, {.status = JobStatus::cancelled}).value();
    CHECK(ids({.tenant = "t", .status = JobStatus::cancelled}) == Ids{"j5"});
    CHECK(ids({.tenant = "t", .session_id = "none"}) == Ids{});
    scene.finish({scene.find("j6")->number, 0}, {.status = JobStatus::completed, .expires_ms = 50}).value();
    CHECK(ids({.tenant = "t", .limit = 1, .now_ms = 49}) == Ids{"j6"});
    CHECK(ids({.tenant = "t", .limit = 1, .now_ms = 50}) == Ids{"j4"});  // j5's time is over, too
    CHECK(ids({.tenant = "t", .after_id = "j6", .limit = 1, .now_ms = 50}) == Ids{"j4"});
}

STORE_TEST_CASE("a page of large answers ends early, and says that there is more") {
    TestType owner;
    JobScene& scene = owner;
    for (int i = 0; i < 4; ++i) {
        auto job = job_named("j" + std::to_string(i));
        job.row.status = JobStatus::completed;
        job.row.output.text = std::string(max_page_bytes / 2, 'x');
        scene.add(job).value();
    }
    const auto page = [&scene](std::string after) {
        return scene.get<JobPage>([&](auto done) { scene.jobs().list({.tenant = "t", .after_id = std::move(after), .limit = 10}, done); }).value();
    };
    const auto first = page("");
    CHECK(first.rows.size() == 2);
    CHECK(first.has_more);
    const auto rest = page(first.rows.back().id);
    CHECK(rest.rows.size() == 2);
    CHECK_FALSE(rest.has_more);
}

STORE_TEST_CASE("an expired job is remembered as such, for a while") {
    TestType owner;
    JobScene& scene = owner;
    const auto number = scene.add(job_named("a", "mine"))->number;
    scene.finish({number, 0}, {.finished_ms = 10, .expires_ms = 20}).value();
    const auto expire = [&scene](std::int64_t now) {
        return scene.get<std::size_t>([&](auto done) { scene.jobs().expire(now, now + 100, 10, done); }).value();
    };
    CHECK(expire(19) == 0);
    CHECK(scene.find("a"));
    CHECK(expire(20) == 1);
    const auto found = scene.get<FoundJob>([&](auto done) { scene.jobs().find("a", done); }).value();
    CHECK_FALSE(found.row);
    CHECK(found.expired);
    CHECK(found.expired_tenant == "mine");
    expire(120);
    CHECK_FALSE(scene.get<FoundJob>([&](auto done) { scene.jobs().find("a", done); })->expired);
}

STORE_TEST_CASE("jobs expire in portions, and a full one is told as such") {
    TestType owner;
    JobScene& scene = owner;
    for (int i = 0; i < 5; ++i) {
        const auto number = scene.add(job_named("j" + std::to_string(i)))->number;
        scene.finish({number, 0}, {.finished_ms = 10, .expires_ms = 20}).value();
    }
    std::vector<std::size_t> portions;
    for (int i = 0; i < 4; ++i) portions.push_back(scene.get<std::size_t>([&](auto done) { scene.jobs().expire(30, 100, 2, done); }).value());
    CHECK(portions == std::vector<std::size_t>{2, 2, 1, 0});
}

STORE_TEST_CASE("a key is found without taking it") {
    TestType owner;
    JobScene& scene = owner;
    auto job = job_named("a");
    job.idempotency_key = "k";
    job.body_hash = "h";
    job.key_expires_ms = 2000;
    using Found = std::optional<AddedJob>;
    const auto find = [&](std::string key, std::string hash, std::int64_t now) {
        return scene.get<Found>([&](auto done) { scene.jobs().find_key({"t", key, hash, now}, done); }).value();
    };
    CHECK_FALSE(find("k", "h", 1000));
    scene.add(job).value();
    CHECK(find("k", "h", 1999)->existing_id == "a");
    CHECK(find("k", "h", 1999)->same_body);
    CHECK_FALSE(find("k", "x", 1999)->same_body);
    CHECK_FALSE(find("k", "h", 2000));
    CHECK_FALSE(find("other", "h", 1000));
}

STORE_TEST_CASE("a conversation with unfinished jobs lives on when its time is over") {
    TestType owner;
    JobScene& scene = owner;
    const SessionRow session{.id = "c", .tenant = "t", .created_ms = 1, .lifetime_ms = 1000, .expires_ms = 1001};
    scene.get<bool>([&](auto done) { scene.jobs().add_session(session, [done](Result<void>) { done(true); }); }).value();
    const auto found = [&] { return scene.get<std::optional<SessionRow>>([&](auto done) { scene.jobs().find_session("t", "c", done); }).value(); };
    const auto expire = [&](std::int64_t now) { scene.get<std::size_t>([&](auto done) { scene.jobs().expire(now, now, 10, done); }).value(); };
    auto job = job_named("a");
    job.row.session_id = "c";
    job.row.in_session = true;
    CHECK_FALSE(found()->in_use);
    const auto number = scene.add(job)->number;
    CHECK(found()->in_use);
    expire(5000);
    REQUIRE(found());
    CHECK(found()->expires_ms == 6000);
    scene.finish({number, 0}, {.status = JobStatus::failed, .finished_ms = 5500, .expires_ms = 99'000}).value();
    CHECK_FALSE(found()->in_use);
    expire(6000);
    CHECK_FALSE(found());
    // What ends too late has nothing to add to.
    job.row.id = "b";
    const auto late = scene.add(job)->number;
    scene.finish({late, 0}, {.finished_ms = 7000, .expires_ms = 99'000, .session_id = "c", .turns = {{"user", "Hi"}}}).value();
    CHECK_FALSE(found());
}

STORE_TEST_CASE("a conversation gains its turns in one step with the end of the job") {
    TestType owner;
    JobScene& scene = owner;
    const SessionRow session{.id = "c", .tenant = "t", .system = "Be kind.", .created_ms = 1, .lifetime_ms = 1000, .expires_ms = 1001};
    const auto add = [&] { return scene.get<bool>([&](auto done) { scene.jobs().add_session(session, [done](Result<void> r) { done(r ? Result<bool>(true) : std::unexpected(r.error())); }); }); };
    CHECK(add());
    CHECK(add().error().code == ErrorCode::conflict);
    const auto number = scene.add(job_named("a"))->number;
    const JobEnd end{.finished_ms = 500, .session_id = "c", .turns = {{"user", "Hi"}, {"assistant", "Hello"}}};
    CHECK(scene.finish({number, 0}, end) == true);
    CHECK(scene.finish({number, 0}, end) == false);
    scene.reopen();
    const auto found = scene.get<std::optional<SessionRow>>([&](auto done) { scene.jobs().find_session("t", "c", done); }).value();
    REQUIRE(found);
    REQUIRE(found->turns.size() == 2);
    CHECK(found->turns[1].content == "Hello");
    CHECK(found->system == "Be kind.");
    CHECK(found->expires_ms == 1500);
    CHECK_FALSE(scene.get<std::optional<SessionRow>>([&](auto done) { scene.jobs().find_session("other", "c", done); }).value());
    CHECK(scene.get<bool>([&](auto done) { scene.jobs().remove_session("t", "c", done); }) == true);
    CHECK(scene.get<bool>([&](auto done) { scene.jobs().remove_session("t", "c", done); }) == false);
}

// Whatever is done in whatever order, and however often the process ends in between: the store says what a map says.
STORE_TEST_CASE("random sequences of operations leave what a model of the store expects") {
    struct Known {
        std::int64_t number;
        JobStatus status;
        std::uint32_t attempt;
        std::string text;
    };
    for (unsigned seed = 1; seed <= 5; ++seed) {
        TestType owner;
        JobScene& scene = owner;
        std::mt19937 random(seed);
        const auto up_to = [&random](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n)(random); };
        std::map<std::string, Known> known;
        for (int step = 0; step < 300; ++step) {
            const auto what = up_to(9);
            if (what <= 2 || known.empty()) {
                const auto id = "job-" + std::to_string(step);
                known[id] = {scene.add(job_named(id))->number, JobStatus::pending, 0, ""};
                continue;
            }
            auto& [id, job] = *std::next(known.begin(), static_cast<std::ptrdiff_t>(up_to(known.size() - 1)));
            const auto attempt = static_cast<std::uint32_t>(up_to(3));
            if (what <= 5) {
                const bool allowed = !is_final(job.status) && attempt > job.attempt;
                CHECK(scene.start({job.number, attempt}) == allowed);
                if (allowed) job.status = JobStatus::processing, job.attempt = attempt;
            } else if (what <= 7) {
                const bool allowed = !is_final(job.status) && attempt >= job.attempt;
                const auto status = static_cast<JobStatus>(2 + up_to(2));
                const auto text = "text " + std::to_string(step);
                CHECK(scene.finish({job.number, attempt}, {.status = status, .output = {text, {static_cast<std::uint32_t>(text.size())}}}) == allowed);
                if (allowed) job.status = status, job.text = text, job.attempt = attempt;
            } else if (what == 8) {
                const auto removed = scene.remove(job.number);
                CHECK(removed == is_final(job.status));
                if (is_final(job.status)) known.erase(std::string(id));
            } else {
                scene.reopen();
            }
        }
        std::set<std::string> unfinished;
        scene.reopen();
        for (const auto& row : scene.taken_up()) unfinished.insert(row.id);
        const bool tells_unfinished = !scene.jobs().shared();
        for (const auto& [id, job] : known) {
            const auto row = scene.find(id);
            REQUIRE(row);
            CHECK(row->status == job.status);
            CHECK(row->attempt == job.attempt);
            CHECK(row->output.text == job.text);
            if (tells_unfinished) CHECK(unfinished.contains(id) == !is_final(job.status));
        }
    }
}

}  // namespace weft::test
