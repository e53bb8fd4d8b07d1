#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <functional>
#include <memory>

#include "store/redis_job_store.h"
#include "store/store_scene.h"
#include "support/redis_server.h"

namespace weft::test {

inline RedisAddress address_of(const RedisServer& server) { return {.host = "127.0.0.1", .port = server.port()}; }

// The server that tests share which leave it as it is; empty when it is given.
inline RedisServer& shared_redis() {
    if (!RedisServer::installed()) SKIP("needs redis-server");
    static RedisServer server;
    REQUIRE(server.say("FLUSHALL").starts_with("+OK"));
    return server;
}

// A node: a store on a Redis server.
class RedisScene final : public JobScene {
  public:
    RedisScene() : RedisScene(shared_redis()) {}
    explicit RedisScene(RedisServer& server, RedisJobStore::Options options = {}) : options_(std::move(options)) {
        options_.address = address_of(server);
        open();
        until([this] { return store->up(); });
    }
    ~RedisScene() override { close(); }

    void reopen() override {
        close();
        open();
        until([this] { return store->up(); });
    }
    JobStore& jobs() override { return *store; }
    ChunkedText kept(const std::string& id, JobMark mark) override {
        const auto row = find(id).value();
        return row.attempt == mark.attempt ? row.output : ChunkedText{};
    }

    void until(const std::function<bool()>& condition) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (!condition()) {
            REQUIRE(std::chrono::steady_clock::now() < end);
            run_one();
        }
    }

    std::vector<JobRow> claim(JobRoom room = {.jobs = 10, .low = 10, .low_priority = 100}) {
        return get<std::vector<JobRow>>([&](auto done) { store->claim(room, 1, done); }).value();
    }
    LeaseNews renew(std::vector<JobMark> held) {
        return get<LeaseNews>([&](auto done) { store->renew(held, done); }).value();
    }
    std::size_t sweep(std::int64_t now_ms = 1, JobEnd late = {.status = JobStatus::failed, .error_code = "deadline_exceeded"}) {
        return get<std::size_t>([&](auto done) { store->sweep(now_ms, late, done); }).value();
    }
    FoundJob look(const std::string& id, std::uint32_t attempt, std::size_t chunks) {
        return get<FoundJob>([&](auto done) { store->look(id, attempt, chunks, done); }).value();
    }

    boost::asio::io_context io;
    std::unique_ptr<RedisJobStore> store;

  private:
    void open() { store = std::make_unique<RedisJobStore>(io.get_executor(), options_); }
    void close() {
        store.reset();
        io.poll();
    }
    void run_one() override { io.run_one_for(std::chrono::milliseconds(20)); }

    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io.get_executor()};
    RedisJobStore::Options options_;
};

}  // namespace weft::test
