#include "api/batch_runner.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "api/json_reader.h"
#include "api/json_text.h"
#include "api/loopback_exchange.h"
#include "base/log.h"
#include "services/pending.h"

namespace weft::api {
namespace asio = boost::asio;
namespace {

constexpr std::string_view low_priority = "100";  // smaller goes first
constexpr std::size_t lines_at_once = 100;  // of a file, before others have their turn
constexpr std::int64_t result_lifetime_s = 30LL * 24 * 3600;

// Busy servers are asked again; one dialect has a status of its own for it.
bool is_busy(const http::Response& response) { return response.status == 503 || response.status == 529; }

std::int64_t tokens_in(const JsonReader& usage, std::initializer_list<std::string_view> names) {
    const auto tokens = usage.first_of(names).integer();
    return tokens && *tokens ? **tokens : 0;
}

// Of any of the endpoints.
void add_usage(BatchUsage& sum, const std::string& answer) {
    const auto json = parse_json(answer);
    if (!json) return;
    const auto usage = JsonReader(*json)["response"]["body"]["usage"];
    sum.input_tokens += tokens_in(usage, {"prompt_tokens", "input_tokens"});
    sum.output_tokens += tokens_in(usage, {"completion_tokens", "output_tokens"});
    sum.total_tokens += tokens_in(usage, {"total_tokens"});
    sum.input_tokens_details.cached_tokens += tokens_in(usage.first_of({"prompt_tokens_details", "input_tokens_details"}), {"cached_tokens"});
    sum.output_tokens_details.reasoning_tokens +=
        tokens_in(usage.first_of({"completion_tokens_details", "output_tokens_details"}), {"reasoning_tokens"});
}

}  // namespace

BatchRunner::BatchRunner(Parts parts) : parts_(std::move(parts)), place_free_(parts_.io), expire_timer_(parts_.io) {}

BatchRunner::~BatchRunner() { *alive_ = false; }

Result<void> BatchRunner::recover() {
    WEFT_TRY(auto rows, parts_.store.running_batches());
    for (auto& row : rows) {
        WEFT_TRY(auto stored, read_stored_batch(row.state));
        start(std::make_shared<Batch>(Batch{.row = std::move(row), .stored = std::move(stored)}));
    }
    expire_later();
    return {};
}

void BatchRunner::expire_later() {
    expire_timer_.expires_after(parts_.expire_every);
    expire_timer_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
        if (error || !*alive) return;
        parts_.store.expire(parts_.unix_time(), [](const Result<std::size_t>& expired) {
            if (expired && *expired > 0) log_info("files_expired", {{"files", *expired}});
        });
        expire_later();
    });
}

void BatchRunner::start(BatchPtr batch) {
    live_[batch->row.id] = batch;
    asio::co_spawn(parts_.io, run(batch), [this, alive = alive_, batch](const std::exception_ptr& failure) {
        if (failure) log_error("batch_failed", {{"batch", batch->row.id}});
        if (*alive && batch->object().ended()) live_.erase(batch->row.id);
    });
}

asio::awaitable<Result<StoredBatch>> BatchRunner::create(std::string owner, StoredBatch stored) {
    if (draining_) co_return fail(ErrorCode::shutting_down, "The server is shutting down.");
    auto batch = std::make_shared<Batch>(Batch{.row = {.id = stored.batch.id, .tenant = std::move(owner)}, .stored = std::move(stored)});
    batch->row.state = stored_batch_json(batch->stored);
    const Pending<std::int64_t> added(parts_.io);
    parts_.store.add_batch(batch->row, added.setter());
    const auto number = co_await added.wait();
    if (!number) co_return std::unexpected(number.error());
    batch->row.number = *number;
    const StoredBatch accepted = batch->stored;
    start(batch);
    co_return accepted;
}

asio::awaitable<Result<StoredBatch>> BatchRunner::find(std::string owner, std::string id) {
    if (const auto live = live_.find(id); live != live_.end() && live->second->owner() == owner) co_return live->second->stored;
    const Pending<BatchRecord> pending(parts_.io);
    parts_.store.find_batch(std::move(owner), std::move(id), pending.setter());
    const auto row = co_await pending.wait();
    if (!row) co_return std::unexpected(row.error());
    co_return read_stored_batch(row->state);
}

asio::awaitable<Result<std::vector<StoredBatch>>> BatchRunner::list(PageQuery query) {
    const Pending<std::vector<BatchRecord>> pending(parts_.io);
    parts_.store.list_batches(std::move(query), pending.setter());
    const auto rows = co_await pending.wait();
    if (!rows) co_return std::unexpected(rows.error());
    std::vector<StoredBatch> batches;
    for (const auto& row : *rows) {
        if (const auto live = live_.find(row.id); live != live_.end()) {
            batches.push_back(live->second->stored);
        } else if (auto stored = read_stored_batch(row.state)) {
            batches.push_back(std::move(*stored));
        }
    }
    co_return batches;
}

asio::awaitable<Result<StoredBatch>> BatchRunner::cancel(std::string owner, std::string id) {
    const auto live = live_.find(id);
    if (live == live_.end() || live->second->owner() != owner || live->second->object().ended()) {
        auto batch = co_await find(std::move(owner), std::move(id));
        if (!batch) co_return batch;
        co_return fail(ErrorCode::conflict, "Cannot cancel a batch with status '" + batch->batch.status + "'.");
    }
    const auto batch = live->second;
    if (!batch->cancelled()) {
        batch->object().status = "cancelling";
        batch->object().cancelling_at = parts_.unix_time();
        co_await save(batch, batch->stored);
        const auto running = batch->running;
        for (auto* exchange : running) exchange->leave();
        place_free_.cancel();
    }
    co_return batch->stored;
}

// It goes as if its time were over.
asio::awaitable<Result<void>> BatchRunner::remove(std::string owner, std::string id) {
    const Pending<BatchRecord> pending(parts_.io);
    parts_.store.find_batch(owner, id, pending.setter());
    auto row = co_await pending.wait();
    if (!row) co_return std::unexpected(std::move(row).error());
    const auto stored = read_stored_batch(row->state);
    if (!stored) co_return std::unexpected(stored.error());
    if (row->running) co_return fail(ErrorCode::conflict, "Cannot delete a batch with status '" + stored->batch.status + "'.");
    row->expires_s = 1;
    const Pending<bool> updated(parts_.io);
    parts_.store.update_batch(std::move(*row), updated.setter());
    if (const auto done = co_await updated.wait(); !done) co_return std::unexpected(done.error());
    const Pending<std::size_t> expired(parts_.io);
    parts_.store.expire(parts_.unix_time(), expired.setter());
    if (const auto done = co_await expired.wait(); !done) co_return std::unexpected(done.error());
    const auto& batch = stored->batch;
    for (const auto& file : {batch.input_file_id, batch.output_file_id.value_or(""), batch.error_file_id.value_or("")}) {
        const Pending<bool> removed(parts_.io);
        parts_.store.remove_file(owner, file, removed.setter());
        if (const auto done = co_await removed.wait(); !done) co_return std::unexpected(done.error());
    }
    co_return Result<void>{};
}

void BatchRunner::drain() {
    draining_ = true;
    for (const auto& [id, batch] : live_) {
        const auto running = batch->running;
        for (auto* exchange : running) exchange->leave();
    }
    place_free_.cancel();
}

// ---- one batch ----------------------------------------------------------------------------------------------------------

asio::awaitable<void> BatchRunner::run(BatchPtr batch) {
    const auto alive = alive_;
    if (!co_await prepare(batch)) co_return;
    if (!*alive) co_return;
    co_await run_lines(batch);
    if (!*alive || (draining_ && batch->answered.size() < batch->lines.size())) co_return;
    co_await write_results(batch);
}

namespace {

std::unexpected<Error> broken_off() { return fail(ErrorCode::shutting_down, "The server is shutting down."); }

}  // namespace

asio::awaitable<Result<std::string>> BatchRunner::read_input(BatchPtr batch) {
    const auto alive = alive_;
    for (;;) {
        const Pending<std::string> content(parts_.io);
        parts_.store.read_file(batch->row.tenant, batch->object().input_file_id, content.setter());
        auto read = co_await content.wait();
        if (!*alive) co_return broken_off();
        if (read || read.error().code == ErrorCode::not_found) co_return read;
        log_warn("batch_input_not_read", {{"batch", batch->row.id}, {"detail", read.error().detail}});
        co_await pause(parts_.retry_store_after);
        if (!*alive || draining_) co_return broken_off();
    }
}

asio::awaitable<Result<std::vector<BatchAnswer>>> BatchRunner::read_answers(BatchPtr batch) {
    const auto alive = alive_;
    for (;;) {
        const Pending<std::vector<BatchAnswer>> answers(parts_.io);
        parts_.store.answers(batch->row.number, answers.setter());
        auto read = co_await answers.wait();
        if (!*alive) co_return broken_off();
        if (read) co_return read;
        log_warn("batch_answers_not_read", {{"batch", batch->row.id}, {"detail", read.error().detail}});
        co_await pause(parts_.retry_store_after);
        if (!*alive || draining_) co_return broken_off();
    }
}

// Reads the input and what has been answered already. False: it has ended, or has to wait for the next start.
asio::awaitable<bool> BatchRunner::prepare(BatchPtr batch) {
    auto& object = batch->object();
    auto read = co_await read_input(batch);
    if (!read && read.error().code != ErrorCode::not_found) co_return false;
    BatchInput input;
    if (read) {
        BatchInputReader reader(*read, object.endpoint);
        while (reader.read(lines_at_once)) co_await asio::post(parts_.io, asio::use_awaitable);
        input = reader.take();
    } else input.errors.push_back({.code = "file_not_found", .message = "The input file is not there any more.", .param = "input_file_id"});
    if (!input.errors.empty()) {
        StoredBatch failed = batch->stored;
        failed.batch.status = "failed";
        failed.batch.failed_at = parts_.unix_time();
        failed.batch.errors = BatchErrors{.data = std::move(input.errors)};
        co_await save(batch, std::move(failed));
        co_return false;
    }
    batch->content = std::move(*read);
    batch->lines = std::move(input.lines);
    const auto known = co_await read_answers(batch);
    if (!known) co_return false;
    object.request_counts = {.total = static_cast<std::int64_t>(batch->lines.size())};
    object.usage = {};
    for (const auto& answer : *known) {
        if (batch->answered.size() % lines_at_once == 0) co_await asio::post(parts_.io, asio::use_awaitable);
        batch->answered.insert(answer.line);
        count(*batch, answer.failed, answer.text);
    }
    if (!input.model.empty()) object.model = input.model;
    if (object.status == "validating") {
        StoredBatch started = batch->stored;
        started.batch.status = "in_progress";
        started.batch.in_progress_at = parts_.unix_time();
        co_await save(batch, std::move(started));
    }
    co_return true;
}

void BatchRunner::count(Batch& batch, bool failed, const std::string& answer) {
    auto& counts = batch.object().request_counts;
    ++(failed ? counts.failed : counts.completed);
    if (!failed) add_usage(batch.object().usage, answer);
}

bool BatchRunner::expired(const Batch& batch) const { return parts_.unix_time() >= batch.stored.batch.expires_at; }

asio::awaitable<void> BatchRunner::pause(std::chrono::milliseconds time) {
    asio::steady_timer timer(parts_.io, time);
    boost::system::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

asio::awaitable<void> BatchRunner::run_lines(BatchPtr batch) {
    const auto alive = alive_;
    batch->changed = std::make_unique<asio::steady_timer>(parts_.io);
    std::size_t in_flight = 0;
    boost::system::error_code ignored;
    for (; batch->next < batch->lines.size() && !batch->cancelled() && !expired(*batch); ++batch->next) {
        const auto& line = batch->lines[batch->next];
        if (batch->answered.contains(line.number)) continue;
        while (running_ >= parts_.parallel && !draining_ && !batch->cancelled()) {
            place_free_.expires_after(std::chrono::seconds(1));
            co_await place_free_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
            if (!*alive) co_return;
        }
        if (draining_ || batch->cancelled()) break;
        ++running_;
        ++in_flight;
        asio::co_spawn(parts_.io, run_line(batch, line), [this, alive, batch, &in_flight](const std::exception_ptr& failure) {
            if (failure) log_error("batch_line_failed", {{"batch", batch->row.id}});
            if (!*alive) return;
            --running_;
            --in_flight;
            place_free_.cancel();
            batch->changed->cancel();
        });
    }
    while (in_flight > 0) {
        batch->changed->expires_after(std::chrono::hours(1));
        co_await batch->changed->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        if (!*alive) co_return;
    }
}

asio::awaitable<void> BatchRunner::run_line(BatchPtr batch, const BatchLine& line) {
    const auto alive = alive_;
    for (;;) {
        std::string request_id;
        const auto response = co_await ask(batch, line, request_id);
        if (!*alive || draining_ || batch->cancelled()) co_return;  // broken off: it was not answered
        if (is_busy(response) && !expired(*batch)) {
            co_await pause(parts_.retry_busy_after);
            if (!*alive || draining_) co_return;
            continue;
        }
        const bool failed = response.status >= 400;
        BatchAnswer answer{.line = line.number, .failed = failed,
                           .text = dialect_of(*batch).answer_line({.custom_id = line.custom_id, .response = response, .request_id = request_id})};
        // What does not fit on the disk now is kept until it does.
        for (;;) {
            const Pending<bool> stored(parts_.io);
            parts_.store.add_answer(batch->row.number, answer, stored.setter());
            const auto added = co_await stored.wait();
            if (!*alive) co_return;
            if (added) break;
            co_await pause(parts_.retry_store_after);
            if (!*alive || draining_) co_return;
        }
        batch->answered.insert(line.number);
        count(*batch, failed, answer.text);
        co_return;
    }
}

asio::awaitable<http::Response> BatchRunner::ask(BatchPtr batch, const BatchLine& line, std::string& request_id) {
    const auto& dialect = dialect_of(*batch);
    const auto text = std::string_view(batch->content).substr(line.begin, line.length);
    http::Request request{.method = "POST", .path = batch->object().endpoint, .body = batch_line_body(text), .id = parts_.new_id("req_"),
                          .peer = "batch", .received_at = std::chrono::steady_clock::now(), .on_behalf_of = dialect.tenant_of(batch->owner())};
    request.headers = {{"content-type", "application/json"}, {"x-weft-priority", std::string(low_priority)}};
    request_id = request.id;
    if (const auto json = parse_json(request.body); json && JsonReader(*json)["stream"].boolean().value_or(false).value_or(false))
        co_return dialect.refuse_stream();
    LoopbackExchange exchange(parts_.io, std::move(request));
    batch->running.insert(&exchange);
    std::string failure;
    try {
        co_await dialect.handle(exchange);
    } catch (const std::exception& exception) {
        failure = exception.what();
    }
    batch->running.erase(&exchange);
    if (failure.empty()) co_return exchange.answer();
    log_error("batch_line_failed", {{"batch", batch->row.id}, {"what", failure}});
    co_return dialect.failure();
}

asio::awaitable<void> BatchRunner::save(BatchPtr batch, StoredBatch now) {
    while (!batch->cancelled() || now.batch.cancelling_at) {
        BatchRecord row = batch->row;
        row.state = stored_batch_json(now);
        row.running = !now.batch.ended();
        row.expires_s = row.running ? 0 : parts_.unix_time() + result_lifetime_s;
        const Pending<bool> saved(parts_.io);
        parts_.store.update_batch(std::move(row), saved.setter());
        const auto outcome = co_await saved.wait();
        // It may have been cancelled meanwhile, which must not be undone; nor must what was counted.
        if (outcome && (!batch->cancelled() || now.batch.cancelling_at)) {
            now.batch.request_counts = batch->object().request_counts;
            now.batch.usage = batch->object().usage;
            batch->stored = std::move(now);
        }
        if (outcome || draining_) co_return;
        co_await pause(parts_.retry_store_after);
    }
}

// Every line is in exactly one of the two files. Nobody is told of the end before it is on disk.
asio::awaitable<void> BatchRunner::write_results(BatchPtr batch) {
    const bool cancelled = batch->cancelled();
    const bool late = !cancelled && batch->answered.size() < batch->lines.size();
    if (!cancelled && !late) {
        batch->object().status = "finalizing";
        batch->object().finalizing_at = parts_.unix_time();
    }
    StoredBatch ended = batch->stored;
    auto& object = ended.batch;
    const auto answers = co_await read_answers(batch);
    if (!answers) co_return;
    std::string output;
    std::string errors;
    for (const auto& answer : *answers) (answer.failed ? errors : output).append(answer.text).append("\n");
    for (const auto& line : batch->lines) {
        if (batch->answered.contains(line.number)) continue;
        errors += dialect_of(*batch).never_run_line(line.custom_id, cancelled);
        errors += "\n";
        ++object.request_counts.failed;
        ++ended.never_run;
    }
    std::vector<NewFile> results;
    const auto now = parts_.unix_time();
    const auto add = [&](std::string content, std::string_view name, std::optional<std::string>& id) {
        if (content.empty()) return;
        id = parts_.new_id("file-");
        results.push_back({.row = {.id = *id, .tenant = batch->row.tenant, .filename = object.id + "_" + std::string(name) + ".jsonl",
                                   .purpose = "batch_output", .bytes = static_cast<std::int64_t>(content.size()), .created_s = now,
                                   .expires_s = now + (batch->stored.output_lifetime_s == 0 ? result_lifetime_s : batch->stored.output_lifetime_s)},
                           .content = std::move(content)});
    };
    add(std::move(output), "output", object.output_file_id);
    add(std::move(errors), "error", object.error_file_id);
    object.status = cancelled ? "cancelled" : late ? "expired" : "completed";
    (cancelled ? object.cancelled_at : late ? object.expired_at : object.completed_at) = now;
    for (;;) {
        BatchRecord row = batch->row;
        row.state = stored_batch_json(ended);
        row.running = false;
        row.expires_s = now + result_lifetime_s;
        const Pending<bool> finished(parts_.io);
        parts_.store.finish_batch(std::move(row), results, finished.setter());
        const auto outcome = co_await finished.wait();
        if (outcome) batch->stored = std::move(ended);
        if (outcome || draining_) co_return;
        co_await pause(parts_.retry_store_after);
    }
}

}  // namespace weft::api
