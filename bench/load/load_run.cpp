#include "load_run.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <algorithm>
#include <cmath>
#include <exception>
#include <utility>

namespace weft::bench {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

constexpr auto deadline_resolution = 50ms;

// A bug here must not look like a slow server.
void rethrow(std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
}

asio::awaitable<void> sleep_until(Clock::time_point when) {
    asio::steady_timer timer(co_await asio::this_coro::executor, when);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

Clock::duration seconds(double s) { return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(s)); }

asio::awaitable<Result<void>> skip_body(Connection& connection) {
    for (;;) {
        const auto piece = co_await connection.read_body();
        if (!piece) co_return std::unexpected(piece.error());
        if (piece->empty()) co_return Result<void>{};
    }
}

// Feeds whole lines to the dialect; what is left of the last one waits for more bytes.
class Lines {
  public:
    template <typename Take>
    void feed(std::string_view bytes, Take take) {
        for (;;) {
            const auto end = bytes.find('\n');
            if (end == std::string_view::npos) break;
            if (rest_.empty()) {
                take(bytes.substr(0, end));
            } else {
                rest_.append(bytes.substr(0, end));
                take(rest_);
                rest_.clear();
            }
            bytes.remove_prefix(end + 1);
        }
        rest_.append(bytes);
    }

  private:
    std::string rest_;
};

}  // namespace

LoadRun::LoadRun(const Options& options, Endpoint server)
    : options_(options),
      server_(std::move(server)),
      prompts_(options),
      random_(options.seed + 1),
      measurement_(options) {}

const Measurement& LoadRun::run() {
    asio::co_spawn(io_, drive(), rethrow);
    io_.run();
    return measurement_;
}

LoadRun::Task LoadRun::drive() {
    asio::co_spawn(io_, close_overdue(), rethrow);
    co_await warm_up();
    measurement_.start();
    if (options_.duration_s > 0) asio::co_spawn(io_, end_after_duration(), rethrow);
    if (options_.rate) {
        clients_left_ = 1;
        asio::co_spawn(io_, open_loop(), rethrow);
        co_return;
    }
    clients_left_ = options_.clients;
    for (std::uint32_t i = 0; i < options_.clients; ++i)
        asio::co_spawn(io_, is_plain(options_.api) ? plain_client() : closed_loop_client(), rethrow);
}

LoadRun::Task LoadRun::warm_up() {
    Measurement not_counted(options_);
    Connection connection(io_.get_executor(), server_);
    for (std::uint32_t i = 0; i < options_.warmup; ++i) co_await one_request(connection, Clock::now(), not_counted);
}

LoadRun::Task LoadRun::closed_loop_client() {
    Connection connection(io_.get_executor(), server_);
    while (take_request()) co_await one_request(connection, Clock::now(), measurement_);
    client_done();
}

LoadRun::Task LoadRun::open_loop() {
    auto due = Clock::now();
    while (take_request()) {
        due += seconds(-std::log(1 - random_.uniform()) / *options_.rate);
        co_await sleep_until(due);
        if (stopping_) break;
        if (measurement_.in_flight >= options_.max_in_flight) {
            measurement_.not_sent();
            continue;
        }
        ++clients_left_;
        asio::co_spawn(io_, pooled_request(due), rethrow);
    }
    client_done();
}

LoadRun::Task LoadRun::pooled_request(Clock::time_point due) {
    std::unique_ptr<Connection> connection;
    if (idle_.empty()) {
        connection = std::make_unique<Connection>(io_.get_executor(), server_);
    } else {
        connection = std::move(idle_.back());
        idle_.pop_back();
    }
    co_await one_request(*connection, due, measurement_);
    if (connection->reusable()) idle_.push_back(std::move(connection));
    client_done();
}

LoadRun::Task LoadRun::plain_client() {
    Connection connection(io_.get_executor(), server_);
    const std::string request = request_bytes(options_, "");
    for (;;) {
        std::uint32_t wanted = 0;
        while (wanted < options_.pipeline && take_request()) ++wanted;
        if (wanted == 0) break;
        const auto due = Clock::now();
        deadlines_[&connection] = due + seconds(options_.timeout_s);
        // A server may close a connection after any answer, as long as it says so: what is missing is asked for again.
        Result<std::uint32_t> answered = 0;
        while (wanted > 0) {
            answered = co_await get_several(connection, request, wanted, due);
            if (!answered) break;
            wanted -= *answered;
        }
        if (answered) continue;
        measurement_.request_started();
        measurement_.request_ended({}, stopping_ ? Ending::cut_off : Ending::failed, answered.error().message, false);
        connection.close();
        if (!stopping_) co_await sleep_until(Clock::now() + 20ms);
    }
    deadlines_.erase(&connection);
    client_done();
}

asio::awaitable<Result<std::uint32_t>> LoadRun::get_several(Connection& connection, const std::string& request,
                                                            std::uint32_t wanted, Clock::time_point due) {
    if (!connection.reusable()) {
        auto opened = co_await connection.open();
        if (!opened) co_return std::unexpected(opened.error());
    }
    std::string requests;
    for (std::uint32_t i = 0; i < wanted; ++i) requests += request;
    auto sent = co_await connection.send(requests);
    if (!sent) co_return std::unexpected(sent.error());
    std::uint32_t answered = 0;
    while (answered < wanted) {
        const auto status = co_await connection.read_head();
        if (!status) co_return std::unexpected(status.error());
        auto read = co_await skip_body(connection);
        if (!read) co_return std::unexpected(read.error());
        measurement_.get_completed(due, *status);
        ++answered;
        if (!connection.reusable()) break;
    }
    co_return answered;
}

LoadRun::Task LoadRun::end_after_duration() {
    co_await sleep_until(Clock::now() + seconds(options_.duration_s));
    stopping_ = true;
    for (const auto& [connection, deadline] : deadlines_) connection->close();
}

LoadRun::Task LoadRun::close_overdue() {
    for (;;) {
        co_await sleep_until(Clock::now() + deadline_resolution);
        const auto now = Clock::now();
        for (const auto& [connection, deadline] : deadlines_)
            if (deadline < now) connection->close();
    }
}

bool LoadRun::take_request() {
    if (stopping_ || (options_.requests > 0 && taken_ >= options_.requests)) return false;
    ++taken_;
    return true;
}

LoadRun::Task LoadRun::one_request(Connection& connection, Clock::time_point due, Measurement& into) {
    Observation seen{.due = due};
    if (random_.uniform() < options_.leave_midway)
        seen.leave_after = 1 + static_cast<std::uint32_t>(random_.next() % std::max(1U, options_.max_tokens));
    const std::string request = request_bytes(options_, prompts_.next());
    into.request_started();
    deadlines_[&connection] = Clock::now() + seconds(options_.timeout_s);
    bool opened = false;
    auto result = co_await exchange(connection, request, seen, into, opened);
    const auto ending = ending_of(connection, seen, result);
    deadlines_.erase(&connection);
    into.request_ended(seen, ending, result ? "" : result.error().message, opened);
    if (ending == Ending::failed && seen.status == 0) co_await sleep_until(Clock::now() + 20ms);
}

asio::awaitable<Result<void>> LoadRun::exchange(Connection& connection, const std::string& request, Observation& seen,
                                                Measurement& into, bool& opened) {
    // A kept connection may have been closed by the server just now: that alone is no failure.
    Result<int> status = 0;
    for (bool reused = connection.reusable();; reused = false) {
        if (!reused) {
            if (auto open = co_await connection.open(); !open) co_return open;
        }
        const auto sent = co_await connection.send(request);
        if (sent)
            status = co_await connection.read_head();
        else
            status = std::unexpected(sent.error());
        if (status || !reused || stopping_ || !connection.is_open()) break;
    }
    if (!status) co_return std::unexpected(status.error());
    seen.status = *status;
    opened = true;
    into.stream_opened();
    co_return co_await read_answer(connection, seen, into);
}

asio::awaitable<Result<void>> LoadRun::read_answer(Connection& connection, Observation& seen, Measurement& into) {
    Lines lines;
    std::string whole;
    const bool streamed = options_.stream && seen.status == 200;
    for (;;) {
        const auto piece = co_await connection.read_body();
        if (!piece) co_return std::unexpected(piece.error());
        if (piece->empty()) break;
        if (!streamed) {
            whole.append(*piece);
            continue;
        }
        lines.feed(*piece, [&](std::string_view line) {
            if (take_line(options_.api, line, seen.answer)) into.text_arrived(seen);
        });
        if (seen.leave_after > 0 && seen.pieces >= seen.leave_after) co_return Result<void>{};
    }
    if (!streamed) take_whole(options_.api, whole, seen.answer);
    if (seen.status != 200) co_return fail(ErrorCode::engine_failed, "http_" + std::to_string(seen.status) + ": " + whole);
    if (!seen.answer.error.empty()) co_return fail(ErrorCode::engine_failed, "error_event: " + seen.answer.error);
    if (!seen.answer.finished) co_return fail(ErrorCode::engine_failed, "unfinished: the answer ended too early");
    co_return Result<void>{};
}

Ending LoadRun::ending_of(Connection& connection, const Observation& seen, Result<void>& result) {
    if (result && seen.leave_after > 0 && !seen.answer.finished) {
        connection.close();
        return Ending::left;
    }
    if (result) return Ending::completed;
    if (stopping_) return Ending::cut_off;
    if (deadlines_[&connection] < Clock::now()) result.error().message = "timeout: no end within the limit";
    if (seen.status == 0 || seen.status == 200) connection.close();
    return Ending::failed;
}

void LoadRun::client_done() {
    if (--clients_left_ == 0) io_.stop();
}

}  // namespace weft::bench
