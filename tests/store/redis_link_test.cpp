#include "store/redis_link.h"

#include <catch2/catch_test_macros.hpp>

#include "store/redis_scene.h"

namespace weft::test {
namespace {

using namespace std::chrono_literals;

Result<void> check(const RedisServer& server, std::string user = {}, std::string password = {}) {
    auto address = address_of(server);
    address.user = std::move(user);
    address.password = std::move(password);
    return RedisJobStore::check(address, 20s);
}

}  // namespace

TEST_CASE("a server that would lose jobs is refused by the name of its setting") {
    if (!RedisServer::installed()) SKIP("needs redis-server");
    struct Bad {
        std::string setting;
        std::string message;
    };
    const std::vector<Bad> all{
        {"--maxmemory-policy allkeys-lru", "maxmemory-policy is 'allkeys-lru' and must be 'noeviction'"},
        {"--appendonly no", "appendonly is 'no' and must be 'yes'"},
        {"--appendfsync everysec", "appendfsync is 'everysec' and must be 'always'"},
        {"--no-appendfsync-on-rewrite yes", "no-appendfsync-on-rewrite is 'yes' and must be 'no'"},
        {"--cluster-enabled yes", "cluster-enabled"},
        {"--replicaof 127.0.0.1 1", "replicaof"},
    };
    for (const auto& bad : all) {
        const RedisServer server({bad.setting});
        const auto refused = check(server);
        REQUIRE_FALSE(refused);
        INFO(refused.error().message << " " << refused.error().detail);
        CHECK(refused.error().code == ErrorCode::internal);
        CHECK(refused.error().message.contains(bad.message));
    }
    CHECK(check(RedisServer()));
}

TEST_CASE("a wrong password is told from a server that is away, and neither is repeated") {
    if (!RedisServer::installed()) SKIP("needs redis-server");
    RedisServer server({"--requirepass right"});
    CHECK(check(server, "", "right"));
    const auto wrong = check(server, "", "s3cret").error();
    CHECK(wrong.code == ErrorCode::internal);
    CHECK(wrong.message.contains("WRONGPASS"));
    CHECK_FALSE((wrong.message + wrong.detail).contains("s3cret"));
    CHECK(check(server).error().code == ErrorCode::internal);
    server.kill();
    const auto away = RedisJobStore::check(address_of(server), 300ms).error();
    CHECK(away.code == ErrorCode::timeout);
    CHECK(away.detail.contains("refused"));
}

TEST_CASE("where a user may not read the settings, INFO and a test write tell; what else it may not do is named") {
    if (!RedisServer::installed()) SKIP("needs redis-server");
    const std::string rights = "on >p ~{weft-jobs}:* &{weft-jobs}:* +@all -config";
    CHECK(check(RedisServer({"--user weft " + rights}), "weft", "p"));
    const auto loses = check(RedisServer({"--user weft " + rights, "--appendfsync everysec"}), "weft", "p");
    REQUIRE_FALSE(loses);
    CHECK(loses.error().message.contains("appendfsync is not 'always'"));
    const auto evicts = check(RedisServer({"--user weft " + rights, "--maxmemory-policy allkeys-lfu"}), "weft", "p");
    REQUIRE_FALSE(evicts);
    CHECK(evicts.error().message.contains("maxmemory-policy is 'allkeys-lfu'"));
    const auto may_not = [&](const std::string& what) { return check(RedisServer({"--user weft " + rights + " " + what}), "weft", "p").error().message; };
    CHECK(may_not("-info").contains("+info"));
    CHECK(may_not("-function").contains("+function|load"));
    CHECK(may_not("resetchannels").contains("+subscribe"));
}

TEST_CASE("calls fail while the server is away, and go on when it is back") {
    if (!RedisServer::installed()) SKIP("needs redis-server");
    RedisServer server;
    RedisScene scene(server);
    scene.add(job_named("a")).value();
    server.kill();
    const auto refused = [&] { return scene.add(job_named("b")).error(); };
    CHECK(refused().code == ErrorCode::overloaded);
    scene.until([&] { return !scene.store->up(); });
    CHECK(refused().retry_after_s > 0);
    int back = 0;  // for calls, and for news
    scene.store->listen([&](const StoreNews& news) { back += news.kind == StoreNews::Kind::back; });
    server.start();
    scene.until([&] { return back == 2; });
    CHECK(scene.find("a"));
    CHECK_FALSE(scene.find("b"));
    CHECK(scene.add(job_named("c")));
}

TEST_CASE("a server that comes back with other settings is not used until they are right") {
    if (!RedisServer::installed()) SKIP("needs redis-server");
    RedisServer server;
    RedisScene scene(server);
    server.say("CONFIG SET appendfsync everysec");
    server.say("CLIENT KILL TYPE normal SKIPME yes");
    server.say("CLIENT KILL TYPE pubsub SKIPME yes");
    scene.until([&] { return !scene.store->up(); });
    for (int i = 0; i < 50; ++i) {
        CHECK_FALSE(scene.add(job_named("a")));
        scene.io.run_for(10ms);
    }
    server.say("CONFIG SET appendfsync always");
    scene.until([&] { return scene.store->up(); });
    CHECK(scene.add(job_named("a")));
}

TEST_CASE("functions that somebody has removed are brought back") {
    RedisScene scene;
    CHECK(shared_redis().say("FUNCTION FLUSH").starts_with("+OK"));
    CHECK_FALSE(scene.add(job_named("a")));
    scene.until([&] { return !scene.store->up(); });
    scene.until([&] { return scene.store->up(); });
    CHECK(scene.add(job_named("a")));
}

TEST_CASE("a full memory refuses new jobs, and lets accepted ones end") {
    if (!RedisServer::installed()) SKIP("needs redis-server");
    RedisServer server;
    RedisScene scene(server);
    const auto number = scene.add(job_named("a"))->number;
    server.say("CONFIG SET maxmemory 1");
    CHECK(scene.add(job_named("b")).error().code == ErrorCode::storage_full);
    CHECK(scene.start({number, 1}) == true);
    CHECK(scene.finish({number, 1}, {.output = {"done", {4}}}) == true);
    server.say("CONFIG SET maxmemory 0");
    CHECK(scene.add(job_named("b")));
    CHECK(scene.find("a")->output.text == "done");
}

}  // namespace weft::test
