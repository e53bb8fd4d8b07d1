#include "api/batch_runner.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <catch2/catch_test_macros.hpp>

#include "store/sqlite_batch_store.h"
#include "support/gguf_writer.h"

namespace weft::api::test {
namespace asio = boost::asio;
using namespace std::chrono_literals;
namespace {

// Answers with the body it got; a line that says "slow" takes until the test is over.
class EchoDialect final : public BatchDialect {
  public:
    mutable std::vector<std::string> tenants{};

    asio::awaitable<void> handle(http::Exchange& exchange) const override {
        tenants.push_back(exchange.request().on_behalf_of.value_or("nobody"));
        bool gone = false;
        exchange.on_client_gone([&gone] { gone = true; });
        while (exchange.request().body.contains("slow") && !gone) {
            asio::steady_timer timer(exchange.executor(), 1ms);
            co_await timer.async_wait(asio::use_awaitable);
        }
        exchange.on_client_gone({});
        co_await exchange.reply({.status = exchange.request().body.contains("bad") ? 400 : 200, .body = exchange.request().body});
    }
    std::string tenant_of(std::string_view owner) const override { return "tenant of " + std::string(owner); }
    std::string answer_line(const BatchReply& reply) const override {
        return std::string(reply.custom_id) + " " + std::to_string(reply.response.status);
    }
    std::string never_run_line(std::string_view custom_id, bool cancelled) const override {
        return std::string(custom_id) + (cancelled ? " cancelled" : " expired");
    }
    http::Response refuse_stream() const override { return {.status = 400, .body = "{}"}; }
    http::Response failure() const override { return {.status = 500, .body = "{}"}; }
};

class BatchStage {
  public:
    BatchStage() { open(); }
    ~BatchStage() { close(); }

    template <typename T>
    T wait(asio::awaitable<T> work) {
        std::optional<T> value;
        asio::co_spawn(io, std::move(work), [&value](const std::exception_ptr&, T got) { value.emplace(std::move(got)); });
        until([&] { return value.has_value(); });
        return std::move(*value);
    }
    void until(const std::function<bool()>& condition) {
        const auto end = std::chrono::steady_clock::now() + 30s;
        while (!condition()) {
            REQUIRE(std::chrono::steady_clock::now() < end);
            io.run_one_for(5ms);
        }
    }
    template <typename T, typename Ask>
    Result<T> ask(Ask&& question) {
        std::optional<Result<T>> answer;
        question([&answer](Result<T> got) { answer.emplace(std::move(got)); });
        until([&] { return answer.has_value(); });
        return std::move(*answer);
    }
    StoredBatch create(const std::vector<std::string>& bodies) {
        add_input(bodies);
        return create_batch();
    }
    void add_input(const std::vector<std::string>& bodies) {
        std::string lines;
        int number = 0;
        for (const auto& body : bodies)
            lines += R"({"custom_id":"r)" + std::to_string(++number) + R"(","method":"POST","url":"/echo","body":{"say":")" + body + "\"}}\n";
        CHECK(ask<bool>([&](auto done) { store->add_file({.row = {.id = "file-in", .tenant = "o", .filename = "in", .purpose = "batch"}, .content = lines}, done); }));
    }
    StoredBatch create_batch() {
        StoredBatch batch;
        batch.batch = {.id = "batch-1", .endpoint = "/echo", .input_file_id = "file-in", .created_at = now_s, .expires_at = now_s + 100};
        return wait(runner->create("o", std::move(batch))).value();
    }
    StoredBatch find() { return wait(runner->find("o", "batch-1")).value(); }
    StoredBatch ended() {
        until([&] { return find().batch.ended(); });
        return find();
    }
    std::string content(const std::optional<std::string>& file) {
        return ask<std::string>([&](auto done) { store->read_file("o", file.value_or(""), done); }).value_or("nothing");
    }
    void restart() {
        close();
        open();
    }

    weft::test::TemporaryFolder folder;
    asio::io_context io;
    asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
    EchoDialect dialect;
    std::int64_t now_s = 1'000'000;
    std::unique_ptr<SqliteFile> file;
    std::unique_ptr<SqliteBatchStore> store;
    std::unique_ptr<BatchRunner> runner;

  private:
    void open() {
        file = SqliteFile::open(folder.path(), {}, [this](std::function<void()> done) { asio::post(io, std::move(done)); }).value();
        store = SqliteBatchStore::open(*file).value();
        runner = std::make_unique<BatchRunner>(BatchRunner::Parts{
            .io = io.get_executor(), .store = *store, .dialect_of = [this](std::string_view) -> const BatchDialect& { return dialect; },
            .new_id = [this](std::string_view prefix) { return std::string(prefix) + std::to_string(++ids_); },
            .unix_time = [this] { return now_s; }, .parallel = 2, .retry_busy_after = 1ms, .retry_store_after = 5ms});
        REQUIRE(runner->recover());
    }
    void close() {
        runner->drain();
        io.run_for(20ms);
        runner.reset();
        store.reset();
        file.reset();
        io.poll();
    }
    int ids_ = 0;
};

}  // namespace

TEST_CASE("each request of a batch is answered once, on behalf of its owner's tenant, and told in the dialect's words") {
    BatchStage stage;
    stage.create({"a", "bad", "c"});
    const auto done = stage.ended();
    CHECK(done.batch.status == "completed");
    CHECK(stage.content(done.batch.output_file_id) == "r1 200\nr3 200\n");
    CHECK(stage.content(done.batch.error_file_id) == "r2 400\n");
    CHECK(stage.dialect.tenants == std::vector<std::string>(3, "tenant of o"));
    CHECK(done.never_run == 0);
}

TEST_CASE("what has not run when a batch's time is over expires, what runs is still answered") {
    BatchStage stage;
    stage.create({"a", "slow", "slow", "never", "never"});
    stage.until([&] { return stage.find().batch.request_counts.completed == 1 && stage.dialect.tenants.size() == 3; });
    stage.now_s += 100;
    stage.restart();  // the slow ones are broken off, and come too late now
    const auto done = stage.ended();
    CHECK(done.batch.status == "expired");
    CHECK(done.batch.expired_at == stage.now_s);
    CHECK(done.never_run == 4);
    CHECK(done.batch.request_counts.failed == 4);
    CHECK(stage.content(done.batch.output_file_id) == "r1 200\n");
    CHECK(stage.content(done.batch.error_file_id) == "r2 expired\nr3 expired\nr4 expired\nr5 expired\n");
}

TEST_CASE("what is answered while a cancel is being written is counted") {
    for (std::size_t round = 0; round < 20; ++round) {
        BatchStage stage;
        stage.create(std::vector<std::string>(40, "a"));
        stage.until([&] { return stage.dialect.tenants.size() >= 3 + round; });
        stage.wait(stage.runner->cancel("o", "batch-1")).value();
        const auto done = stage.ended().batch;
        CHECK(done.request_counts.completed + done.request_counts.failed == 40);
    }
}

TEST_CASE("a batch that has ended can be removed with its files, one that runs cannot") {
    BatchStage stage;
    stage.create({"a", "slow"});
    CHECK(stage.wait(stage.runner->remove("o", "batch-1")).error().code == ErrorCode::conflict);
    stage.until([&] { return stage.find().batch.request_counts.completed == 1; });
    CHECK(stage.wait(stage.runner->cancel("o", "batch-1")).value().batch.status == "cancelling");
    const auto done = stage.ended();
    CHECK(done.never_run == 1);
    CHECK(stage.wait(stage.runner->remove("other", "batch-1")).error().code == ErrorCode::not_found);
    CHECK(stage.wait(stage.runner->remove("o", "batch-1")));
    CHECK(stage.wait(stage.runner->find("o", "batch-1")).error().code == ErrorCode::not_found);
    CHECK(stage.content("file-in") == "nothing");
    CHECK(stage.content(done.batch.output_file_id) == "nothing");
}

TEST_CASE("a batch waits for a store that cannot be read, and goes on when it can") {
    BatchStage stage;
    auto beside = Database::open(stage.folder.path() / "jobs.db", Database::Access::read_write).value();
    SECTION("for what it asks") {
        stage.add_input({"a", "b"});
        REQUIRE(beside.execute("ALTER TABLE files RENAME COLUMN filename TO hidden"));
        stage.create_batch();
        stage.io.run_for(50ms);
        CHECK(stage.find().batch.status == "validating");
        REQUIRE(beside.execute("ALTER TABLE files RENAME COLUMN hidden TO filename"));
    }
    SECTION("for what was answered") {
        REQUIRE(beside.execute("ALTER TABLE batch_answers RENAME TO hidden"));
        stage.add_input({"a", "b"});
        stage.create_batch();
        stage.io.run_for(50ms);
        CHECK_FALSE(stage.find().batch.ended());
        REQUIRE(beside.execute("ALTER TABLE hidden RENAME TO batch_answers"));
    }
    const auto done = stage.ended();
    CHECK(done.batch.status == "completed");
    CHECK(stage.content(done.batch.output_file_id) == "r1 200\nr2 200\n");
}

}  // namespace weft::api::test
