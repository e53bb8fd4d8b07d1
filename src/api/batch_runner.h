#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "api/batch_dialect.h"
#include "api/batch_input.h"
#include "api/batch_object.h"
#include "http/exchange.h"
#include "store/batch_store.h"

namespace weft::api {

class LoopbackExchange;

// Runs batches of any dialect: each line as a request of its own to the handlers of its route, at low priority, its answer stored as soon
// as it is there. What was running when the process ended goes on with the lines that have no answer. Thread: io.
class BatchRunner {
  public:
    struct Parts {
        boost::asio::any_io_executor io;
        BatchStore& store;
        // Whose an endpoint is. It outlives the runner.
        std::function<const BatchDialect&(std::string_view endpoint)> dialect_of;
        std::function<std::string(std::string_view prefix)> new_id;
        std::function<std::int64_t()> unix_time;
        std::size_t parallel = 16;                        // lines of all batches that run at once
        std::chrono::milliseconds retry_busy_after{500};  // a line that found the queues full
        std::chrono::milliseconds expire_every{60'000};
        std::chrono::milliseconds retry_store_after{1000};  // a write that did not fit, a read that failed
    };
    explicit BatchRunner(Parts parts);
    ~BatchRunner();

    [[nodiscard]] Result<void> recover();

    // The batch is on disk when this returns; its endpoint and files have been checked.
    [[nodiscard]] boost::asio::awaitable<Result<StoredBatch>> create(std::string owner, StoredBatch batch);
    [[nodiscard]] boost::asio::awaitable<Result<StoredBatch>> find(std::string owner, std::string id);
    [[nodiscard]] boost::asio::awaitable<Result<std::vector<StoredBatch>>> list(PageQuery query);
    // conflict when it has ended.
    [[nodiscard]] boost::asio::awaitable<Result<StoredBatch>> cancel(std::string owner, std::string id);
    // With its files. conflict when it has not ended.
    [[nodiscard]] boost::asio::awaitable<Result<void>> remove(std::string owner, std::string id);

    // Starts no more lines; those that run are broken off and run again after the next start.
    void drain();

  private:
    struct Batch {
        BatchRecord row;
        StoredBatch stored;
        std::string content{};
        std::vector<BatchLine> lines{};
        std::size_t next = 0;                          // line to run
        std::set<std::int64_t> answered{};             // numbers of lines
        std::set<LoopbackExchange*> running{};
        std::unique_ptr<boost::asio::steady_timer> changed{};

        [[nodiscard]] BatchObject& object() { return stored.batch; }
        [[nodiscard]] const std::string& owner() const { return row.tenant; }
        [[nodiscard]] bool cancelled() const { return stored.batch.cancelling_at.has_value(); }
    };
    using BatchPtr = std::shared_ptr<Batch>;

    void start(BatchPtr batch);
    [[nodiscard]] boost::asio::awaitable<void> run(BatchPtr batch);
    // Until the store can be read; an error is what would not change: not_found, or shutting_down.
    [[nodiscard]] boost::asio::awaitable<Result<std::string>> read_input(BatchPtr batch);
    [[nodiscard]] boost::asio::awaitable<Result<std::vector<BatchAnswer>>> read_answers(BatchPtr batch);
    [[nodiscard]] boost::asio::awaitable<bool> prepare(BatchPtr batch);
    [[nodiscard]] boost::asio::awaitable<void> run_lines(BatchPtr batch);
    [[nodiscard]] boost::asio::awaitable<void> run_line(BatchPtr batch, const BatchLine& line);
    [[nodiscard]] const BatchDialect& dialect_of(Batch& batch) const { return parts_.dialect_of(batch.object().endpoint); }
    [[nodiscard]] boost::asio::awaitable<http::Response> ask(BatchPtr batch, const BatchLine& line, std::string& request_id);
    [[nodiscard]] boost::asio::awaitable<void> write_results(BatchPtr batch);
    [[nodiscard]] boost::asio::awaitable<void> save(BatchPtr batch, StoredBatch now);
    [[nodiscard]] boost::asio::awaitable<void> pause(std::chrono::milliseconds time);
    void count(Batch& batch, bool failed, const std::string& answer);
    void expire_later();
    [[nodiscard]] bool expired(const Batch& batch) const;

    Parts parts_;
    std::unordered_map<std::string, BatchPtr> live_{};  // by id
    std::size_t running_ = 0;                           // lines
    boost::asio::steady_timer place_free_;
    boost::asio::steady_timer expire_timer_;
    bool draining_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace weft::api
