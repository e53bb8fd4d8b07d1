// What nodes promise each other; what every store promises is in job_store_test.cpp.
#include "store/redis_job_store.h"

#include <catch2/catch_test_macros.hpp>

#include "store/redis_scene.h"

namespace weft::test {
namespace {

using namespace std::chrono_literals;
using Ids = std::vector<std::string>;

constexpr auto short_lease = 300ms;

// Two nodes on one server.
struct Nodes {
    explicit Nodes(std::chrono::milliseconds lease = 60s) : Nodes(shared_redis(), {.node = "n", .lease = lease}) {}
    Nodes(RedisServer& server, const RedisJobStore::Options& options) : a(server, options), b(server, options) {}
    RedisScene a;
    RedisScene b;

    // A sweep is one step: whoever comes first has taken it back.
    void until_taken_back(const std::string& id) {
        b.until([&] {
            b.sweep();
            return b.find(id)->status == JobStatus::pending;
        });
    }
};

NewJob started_job(std::string id) {
    auto job = job_named(std::move(id));
    job.row.status = JobStatus::processing;
    job.row.attempt = 1;
    return job;
}

NewJob job_with(std::string id, std::int32_t priority) {
    auto job = job_named(std::move(id));
    job.row.priority = priority;
    return job;
}

NewJob session_job(std::string id, std::string session = "c") {
    auto job = job_named(std::move(id));
    job.row.session_id = std::move(session);
    job.row.in_session = true;
    return job;
}

void add_session(RedisScene& scene, const std::string& id) {
    const SessionRow session{.id = id, .tenant = "t", .created_ms = 1, .lifetime_ms = 1000, .expires_ms = 1001};
    REQUIRE(scene.get<bool>([&](auto done) { scene.store->add_session(session, [done](Result<void> r) { done(r ? Result<bool>(true) : std::unexpected(r.error())); }); }));
}

Ids ids_of(const std::vector<JobRow>& rows) {
    Ids ids;
    for (const auto& row : rows) ids.push_back(row.id);
    return ids;
}

}  // namespace

TEST_CASE("any node claims what is pending, each job once, with its request and a new attempt") {
    Nodes nodes;
    auto job = job_named("1");
    job.row.request = "what was asked";
    nodes.a.add(job).value();
    nodes.a.add(job_named("2")).value();
    nodes.a.add(job_named("3")).value();
    const auto first = nodes.b.claim({.jobs = 2, .low = 2, .low_priority = 100});
    REQUIRE(ids_of(first) == Ids{"1", "2"});
    CHECK(first[0].request == "what was asked");
    CHECK(first[0].attempt == 1);
    CHECK(first[0].status == JobStatus::processing);
    CHECK(ids_of(nodes.a.claim()) == Ids{"3"});
    CHECK(nodes.a.claim().empty());
    CHECK(nodes.a.find("1")->status == JobStatus::processing);
}

TEST_CASE("a request as large as a body may be goes from node to node") {
    Nodes nodes;
    auto job = job_named("1");
    job.row.request = std::string(34 << 20, 'x');  // more than servers let pile up for a connection that listens
    nodes.a.add(job).value();
    const auto claimed = nodes.b.claim();
    REQUIRE(ids_of(claimed) == Ids{"1"});
    CHECK(claimed[0].request.size() == 34 << 20);
}

TEST_CASE("urgent jobs are claimed first, those of low priority only as far as there is room for them") {
    Nodes nodes;
    for (const auto& [id, priority] : {std::pair{"low", 100}, {"normal", 0}, {"high", -100}, {"later", 0}}) nodes.a.add(job_with(id, priority)).value();
    CHECK(nodes.a.add(job_with("last", 100))->queue_position == 5);
    CHECK(nodes.b.look_up("later")->queue_position == 3);
    CHECK(ids_of(nodes.b.claim({.jobs = 10, .low = 0, .low_priority = 100})) == Ids{"high", "normal", "later"});
    CHECK(ids_of(nodes.b.claim({.jobs = 10, .low = 1, .low_priority = 100})) == Ids{"low"});
}

TEST_CASE("a job that is to start at once waits when others came first") {
    Nodes nodes;
    CHECK_FALSE(nodes.a.add(started_job("1"))->waits);
    CHECK(nodes.a.find("1")->attempt == 1);
    nodes.a.add(job_named("2")).value();
    CHECK(nodes.b.add(started_job("3"))->waits);
    CHECK(nodes.b.find("3")->attempt == 0);
    CHECK(ids_of(nodes.b.claim()) == Ids{"2", "3"});
}

TEST_CASE("a lease that is not renewed ends: another node has the job, and nothing of the first one is taken any more") {
    Nodes nodes(short_lease);
    const auto number = nodes.a.add(started_job("1"))->number;
    CHECK(nodes.a.keep_text({number, 1}, 0, {"of a", {4}}) == 1);
    nodes.until_taken_back("1");
    // Nobody has it yet, but it is the first node's no more.
    CHECK(nodes.a.finish({number, 1}, {.output = {"late", {4}}}) == false);
    CHECK(nodes.a.renew({{number, 1}}).lost == std::vector{number});
    const auto claimed = nodes.b.claim();
    REQUIRE(ids_of(claimed) == Ids{"1"});
    CHECK(claimed[0].attempt == 2);
    CHECK(nodes.a.keep_text({number, 1}, 1, {"more", {4}}).error().code == ErrorCode::conflict);
    CHECK(nodes.a.finish({number, 1}, {.output = {"late", {4}}}) == false);
    CHECK(nodes.b.finish({number, 2}, {.output = {"right", {5}}, .expires_ms = 10}) == true);
    CHECK(nodes.a.finish({number, 1}, {.output = {"late", {4}}}) == false);
    CHECK(nodes.a.start({number, 3}) == false);
    CHECK(nodes.a.find("1")->output.text == "right");
    CHECK(nodes.a.find("1")->attempt == 2);
}

TEST_CASE("a lease that is renewed goes on for longer than it is") {
    auto& server = shared_redis();
    Nodes nodes(server, {});
    const auto number = nodes.a.add(started_job("1"))->number;
    // Milliseconds since 1970, all of the same length.
    const auto end = [&server, number] { return server.say("ZSCORE {weft-jobs}:leases " + std::to_string(number)); };
    const auto first = end();
    CHECK(first.starts_with("$13"));
    nodes.a.io.run_for(5ms);
    CHECK(nodes.a.renew({{number, 1}}).lost.empty());
    CHECK(end() > first);
    CHECK(nodes.b.sweep() == 0);
    CHECK(nodes.b.claim().empty());
    CHECK(nodes.a.finish({number, 1}, {}) == true);
    CHECK(end() == "$-1\r\n");
}

TEST_CASE("a job that is given back is anybody's at once, in its old place") {
    Nodes nodes;
    const auto number = nodes.a.add(started_job("1"))->number;
    nodes.a.add(job_named("2")).value();
    nodes.a.store->release({{number, 1}});
    CHECK(nodes.a.finish({number, 1}, {}) == false);
    const auto claimed = nodes.b.claim();
    CHECK(ids_of(claimed) == Ids{"1", "2"});
    CHECK(claimed[0].attempt == 2);
}

TEST_CASE("jobs of one conversation are claimed one after the other, whichever node has room") {
    Nodes nodes;
    add_session(nodes.a, "c");
    add_session(nodes.a, "d");
    const auto first = nodes.a.add(session_job("1"))->number;
    nodes.a.add(session_job("2")).value();
    nodes.a.add(session_job("3")).value();
    nodes.a.add(session_job("other", "d")).value();
    CHECK(ids_of(nodes.a.claim()) == Ids{"1", "other"});
    CHECK(nodes.b.claim().empty());
    auto now = session_job("4");
    now.row.status = JobStatus::processing;
    now.row.attempt = 1;
    CHECK(nodes.b.add(now)->waits);
    CHECK(nodes.b.claim().empty());
    CHECK(nodes.a.finish({first, 1}, {.session_id = "c", .turns = {{"user", "1"}, {"assistant", "one"}}}) == true);
    CHECK(ids_of(nodes.b.claim()) == Ids{"2"});
    CHECK(nodes.a.claim().empty());
    const auto second = nodes.b.find("2")->number;
    nodes.b.store->release({{second, 1}});
    CHECK(nodes.b.find("2")->status == JobStatus::pending);  // has been carried out
    CHECK(ids_of(nodes.a.claim()) == Ids{"2"});
    const auto cancel = [&](const std::string& id) { return nodes.b.get<bool>([&](auto done) { nodes.b.store->cancel(nodes.b.find(id)->number, {.status = JobStatus::cancelled}, done); }); };
    CHECK(cancel("3") == true);
    CHECK(nodes.a.finish({second, 2}, {}) == true);
    CHECK(ids_of(nodes.b.claim()) == Ids{"4"});
}

TEST_CASE("the bounds of what waits hold for all nodes together") {
    Nodes nodes(shared_redis(), {.waiting = 3, .waiting_bytes = 1000, .waiting_tokens = 100, .waiting_of_tenant = 2});
    CHECK(nodes.a.add(job_named("1")));
    CHECK(nodes.b.add(job_named("2")));
    CHECK(nodes.a.add(job_named("3")).error().code == ErrorCode::rate_limited);
    CHECK(nodes.b.add(job_named("4", "u")));
    CHECK(nodes.a.add(job_named("5", "v")).error().code == ErrorCode::overloaded);
    CHECK(nodes.a.sweep() == 3);
    CHECK(nodes.a.claim().size() == 3);
    auto large = job_named("6");
    large.row.request = std::string(1001, 'x');
    CHECK(nodes.a.add(large).error().code == ErrorCode::overloaded);
    auto long_one = job_named("6");
    long_one.row.tokens = 101;
    CHECK(nodes.a.add(long_one).error().code == ErrorCode::overloaded);
    CHECK(nodes.b.add(job_named("7")));
    CHECK(nodes.a.sweep() == 1);
}

TEST_CASE("one tenant's jobs leave room for others, and a single large one may wait") {
    Nodes nodes(shared_redis(), {.waiting_bytes_of_tenant = 500, .waiting_tokens_of_tenant = 50});
    const auto sized = [](std::string id, std::size_t bytes, std::int64_t tokens, std::string tenant = "t") {
        auto job = job_named(std::move(id), std::move(tenant));
        job.row.request = std::string(bytes, 'x');
        job.row.tokens = tokens;
        return job;
    };
    const auto large = nodes.a.add(sized("1", 600, 10))->number;
    CHECK(nodes.b.add(sized("2", 1, 1)).error().code == ErrorCode::rate_limited);
    CHECK(nodes.b.add(sized("3", 1, 1, "u")));
    CHECK(nodes.b.add(sized("4", 1, 49, "u")));
    CHECK(nodes.b.add(sized("5", 1, 1, "u")).error().code == ErrorCode::rate_limited);
    nodes.a.start({large, 1}).value();
    CHECK(nodes.b.add(sized("2", 1, 1)));
}

TEST_CASE("how fast a tenant may submit holds for all nodes together, and what was refused is not counted") {
    Nodes nodes(shared_redis(), {.submissions_per_second = 0.01, .submissions_at_once = 3});
    CHECK(nodes.a.add(job_named("1")));
    CHECK(nodes.b.add(job_named("2")));
    CHECK(nodes.a.add(job_named("3")));
    for (auto* node : {&nodes.a, &nodes.b}) {
        const auto refused = node->add(job_named("4")).error();
        CHECK(refused.code == ErrorCode::rate_limited);
        CHECK(refused.retry_after_s > 50);
        CHECK(refused.retry_after_s <= 100);
    }
    CHECK(nodes.b.add(job_named("5", "u")));
}

TEST_CASE("places of jobs that wait are told, of those that their conversation holds up, too") {
    Nodes nodes(shared_redis(), {});
    add_session(nodes.a, "c");
    for (const auto* id : {"1", "2", "3"}) nodes.a.add(session_job(id)).value();
    CHECK(nodes.a.claim().size() == 1);
    nodes.b.add(job_named("4")).value();
    const auto place = [&](const std::string& id) { return nodes.b.look(id, 0, 0).queue_position; };
    CHECK(std::vector{place("4"), place("2"), place("3")} == std::vector<std::size_t>{1, 2, 3});
    const auto page = nodes.b.get<JobPage>([&](auto done) { nodes.b.store->list({.tenant = "t"}, done); }).value();
    CHECK(page.queue_positions == std::vector<std::size_t>{1, 3, 2, 0});
}

TEST_CASE("no tenant runs more than its share on all nodes together, and what it may run next is not forgotten") {
    Nodes nodes(shared_redis(), {.running_of_tenant = 2});
    const auto first = nodes.a.add(started_job("1"))->number;
    CHECK_FALSE(nodes.b.add(started_job("2"))->waits);
    CHECK(nodes.a.add(started_job("3"))->waits);
    nodes.a.add(job_named("4")).value();
    nodes.a.add(job_named("other", "u")).value();
    CHECK(ids_of(nodes.b.claim()) == Ids{"other"});
    CHECK(nodes.a.sweep() == 2);
    CHECK(nodes.a.finish({first, 1}, {}) == true);
    const auto cancel = [&](const std::string& id) { return nodes.b.get<bool>([&](auto done) { nodes.b.store->cancel(nodes.b.find(id)->number, {.status = JobStatus::cancelled}, done); }); };
    CHECK(cancel("3") == true);
    CHECK(ids_of(nodes.b.claim()) == Ids{"4"});
    CHECK(nodes.a.sweep() == 0);
    CHECK(nodes.a.add(started_job("5"))->waits);
    const auto second = nodes.b.find("2")->number;
    CHECK(nodes.b.start({second, 2}) == true);  // another attempt takes no other place
    CHECK(nodes.b.finish({second, 2}, {}) == true);
    CHECK(ids_of(nodes.a.claim()) == Ids{"5"});
}

TEST_CASE("a pending job is cancelled by any node, a running one by its own, and that of a dead node with its lease") {
    Nodes nodes(short_lease);
    const auto pending = nodes.a.add(job_named("1"))->number;
    const JobEnd end{.status = JobStatus::cancelled, .error_code = "cancelled", .finished_ms = 5, .expires_ms = 50};
    const auto cancel = [&](std::int64_t number) { return nodes.b.get<bool>([&](auto done) { nodes.b.store->cancel(number, end, done); }); };
    CHECK(cancel(pending) == true);
    CHECK(nodes.a.find("1")->status == JobStatus::cancelled);
    CHECK(cancel(pending) == false);
    CHECK(nodes.a.claim().empty());

    std::vector<std::string> told;
    nodes.a.store->listen([&](const StoreNews& news) {
        if (news.kind == StoreNews::Kind::cancel) told.push_back(news.id);
    });
    const auto running = nodes.a.add(started_job("2"))->number;
    CHECK(cancel(running) == true);
    nodes.a.until([&] { return told == Ids{"2"}; });
    CHECK(nodes.a.renew({{running, 1}}).cancelled == std::vector{running});
    CHECK(nodes.a.find("2")->status == JobStatus::processing);
    nodes.b.until([&] {
        nodes.b.sweep();
        return nodes.b.find("2")->status == JobStatus::cancelled;
    });
    CHECK(nodes.b.find("2")->error_code == "cancelled");
    CHECK(nodes.a.finish({running, 1}, {}) == false);
}

TEST_CASE("a pending job whose deadline passes ends, whoever looks first") {
    Nodes nodes;
    auto job = job_named("1");
    job.row.deadline_ms = 100;
    nodes.a.add(job).value();
    nodes.b.sweep(99);
    CHECK(nodes.b.find("1")->status == JobStatus::pending);
    nodes.b.sweep(100);
    CHECK(nodes.a.find("1")->status == JobStatus::failed);
    CHECK(nodes.a.find("1")->error_code == "deadline_exceeded");
    CHECK(nodes.a.claim().empty());
}

TEST_CASE("a running job's text is read on another node from where it stopped, and news tell when there is more") {
    Nodes nodes;
    const auto number = nodes.a.add(started_job("1"))->number;
    Ids changed;
    nodes.b.store->listen([&](const StoreNews& news) {
        if (news.kind == StoreNews::Kind::changed) changed.push_back(news.id);
    });
    CHECK(nodes.b.look("1", 0, 0).row->output.text.empty());
    CHECK(nodes.a.keep_text({number, 1}, 0, {"Once upon", {4, 5}}) == 2);
    nodes.b.until([&] { return changed == Ids{"1"}; });
    const auto more = nodes.b.look("1", 1, 1);
    CHECK(more.first_chunk == 1);
    CHECK(more.row->output.text == " upon");
    CHECK(nodes.b.look("1", 7, 1).row->output.text == "Once upon");
    // What got lost on the way is asked for again; what comes twice is kept once.
    CHECK(nodes.a.keep_text({number, 1}, 4, {"time", {4}}) == 2);
    CHECK(nodes.a.keep_text({number, 1}, 1, {" upon a", {5, 2}}) == 3);
    CHECK(nodes.b.look("1", 1, 0).row->output.sizes == std::vector<std::uint32_t>{4, 5, 2});
    CHECK(nodes.a.finish({number, 1}, {.output = {"Once upon a time", {4, 5, 2, 5}}, .expires_ms = 10}) == true);
    nodes.b.until([&] { return nodes.b.look("1", 1, 3).row->status == JobStatus::completed; });
    CHECK(nodes.b.look("1", 1, 3).row->output.text == "Once upon a time");
}

TEST_CASE("a callback is given to one node, and to another one when nobody says what became of it") {
    Nodes nodes;
    auto job = job_named("1");
    job.row.callback_url = "http://somewhere/";
    const auto number = nodes.a.add(job)->number;
    nodes.a.finish({number, 0}, {.finished_ms = 10, .expires_ms = 1'000'000, .callback_due = true}).value();
    const auto due = [](RedisScene& node, std::int64_t now) { return node.get<std::vector<JobRow>>([&](auto done) { node.store->due_callbacks(now, {.callbacks = 5, .of_tenant = 5}, done); })->size(); };
    CHECK(due(nodes.a, 9) == 0);
    CHECK(due(nodes.a, 10) == 1);
    CHECK(due(nodes.b, 10) == 0);
    CHECK(due(nodes.b, 10 + RedisJobStore::callback_pause.count()) == 1);
    nodes.b.get<void>([&](auto done) { nodes.b.store->callback_tried(number, CallbackState::delivered, 1, 0, done); }).value();
    CHECK(nodes.b.find("1")->callback_state == CallbackState::delivered);
    CHECK(due(nodes.a, 1'000'000) == 0);
}

TEST_CASE("of one tenant's callbacks only so many are under way, whatever waits before those of others") {
    Nodes nodes;
    const auto finished = [&](const std::string& id, const std::string& tenant, std::int64_t at) {
        const auto number = nodes.a.add(job_named(id, tenant))->number;
        nodes.a.finish({number, 0}, {.finished_ms = at, .expires_ms = 1'000'000, .callback_due = true}).value();
        return number;
    };
    const auto first = finished("1", "t", 1);
    finished("2", "t", 2);
    finished("3", "t", 3);
    finished("4", "u", 4);
    const CallbackRoom room{.callbacks = 5, .of_tenant = 2, .under_way = {{first + 100, "t"}}};
    const auto due = nodes.a.get<std::vector<JobRow>>([&](auto done) { nodes.a.store->due_callbacks(10, room, done); }).value();
    REQUIRE(due.size() == 2);
    CHECK(due[0].id == "1");
    CHECK(due[1].id == "4");
}

TEST_CASE("nothing is left in the server of jobs, conversations and keys whose time is over") {
    auto& server = shared_redis();
    Nodes nodes(server, {});
    add_session(nodes.a, "c");
    auto job = session_job("1");
    job.idempotency_key = "k";
    job.key_expires_ms = 2000;
    const auto number = nodes.a.add(job)->number;
    nodes.a.start({number, 1}).value();
    nodes.a.keep_text({number, 1}, 0, {"x", {1}}).value();
    nodes.a.finish({number, 1}, {.finished_ms = 10, .expires_ms = 20, .session_id = "c", .turns = {{"user", "1"}}}).value();
    const auto expire = [&](std::int64_t now) { return nodes.b.get<std::size_t>([&](auto done) { nodes.b.store->expire(now, now + 100, 100, done); }).value(); };
    CHECK(expire(2000) == 1);
    CHECK(expire(3000) == 1);  // that there was such a job
    CHECK(expire(3001) == 0);
    CHECK(nodes.a.get<std::optional<SessionRow>>([&](auto done) { nodes.a.store->find_session("t", "c", done); }).value() == std::nullopt);
    // version, seq, and the counts of what waits, which are 0.
    CHECK(server.say("DBSIZE") == ":3\r\n");
}

TEST_CASE("jobs of the version before are taken over, with conversations that nobody counted the jobs of") {
    auto& server = shared_redis();
    {
        RedisScene scene(server);
        add_session(scene, "c");
        scene.add(session_job("1")).value();
        const auto session = server.say("HGET {weft-jobs}:sessions \"t\\nc\"");
        REQUIRE(session.starts_with("$1\r\n"));
        CHECK(server.say("HDEL {weft-jobs}:session:" + session.substr(4, 1) + " open") == ":1\r\n");
    }
    CHECK(server.say("SET {weft-jobs}:version 1").starts_with("+OK"));
    RedisScene scene(server);
    CHECK(server.say("GET {weft-jobs}:version") == "$1\r\n2\r\n");
    CHECK(scene.claim().size() == 1);
    CHECK(scene.finish({scene.find("1")->number, 1}, {.finished_ms = 10, .expires_ms = 20, .session_id = "c", .turns = {{"user", "1"}}}) == true);
    CHECK(scene.get<std::optional<SessionRow>>([&](auto done) { scene.store->find_session("t", "c", done); }).value()->turns.size() == 1);
}

TEST_CASE("a job outlives the server's death at once after it was acknowledged") {
    if (!RedisServer::installed()) SKIP("needs redis-server");
    RedisServer server;
    RedisScene scene(server);
    for (int i = 0; i < 5; ++i) {
        const auto id = "job-" + std::to_string(i);
        scene.add(job_named(id)).value();
        server.kill();
        server.start();
        scene.until([&] { return !scene.store->up() || scene.look_up("none"); });
        scene.until([&] { return scene.store->up() && scene.look_up(id); });
        CHECK(scene.find(id));
    }
    CHECK(scene.claim().size() == 5);
}

}  // namespace weft::test
