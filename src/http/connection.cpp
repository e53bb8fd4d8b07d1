#include "http/connection.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <utility>

#include "base/log.h"
#include "http/access_log.h"
#include "http/body_decoder.h"

namespace weft::http {

namespace asio = boost::asio;

namespace {

// A body that nobody wants is read to its end when it is at most that long, so that the connection can be used again.
constexpr std::uint64_t max_swallowed_bytes = 64 * 1024;
// What is read and dropped before a connection is closed with input still under way.
constexpr std::size_t max_lingering_bytes = 4 << 20;
// A client that pipelines without end lets others have a turn after that many requests.
constexpr unsigned requests_in_a_row = 16;

std::string_view after_blank_line(std::string_view bytes) {
    // RFC 9112 section 2.2: some clients send an empty line after a body.
    if (bytes.starts_with("\r\n")) bytes.remove_prefix(2);
    return bytes;
}

}  // namespace

void Connection::start(std::shared_ptr<ServerCore> core, Socket socket, std::string peer, Purpose purpose) {
    const auto executor = socket.get_executor();
    auto connection = std::make_shared<Connection>(core, std::move(socket), std::move(peer), purpose);
    asio::co_spawn(executor, connection->run(), [connection](const std::exception_ptr& failure) {
        if (failure) log_error("connection_failed", {{"peer", connection->peer_}});
        connection->end();
    });
}

Connection::Connection(std::shared_ptr<ServerCore> core, Socket socket, std::string peer, Purpose purpose)
    : core_(std::move(core)),
      wire_(std::make_shared<Wire>(std::move(socket), core_->read_scratch)),
      peer_(std::move(peer)),
      purpose_(purpose),
      place_(core_->connections.insert(core_->connections.end(), this)) {
    if (purpose_ == Purpose::refuse) ++core_->refusing_connections;
}

// Still listed only when the io_context goes before the connection has ended.
Connection::~Connection() { leave_list(); }

void Connection::leave_list() {
    if (!std::exchange(listed_, false)) return;
    if (purpose_ == Purpose::refuse) --core_->refusing_connections;
    core_->connections.erase(place_);
}

void Connection::end() {
    wire_->close();
    leave_list();
    if (core_->connections.empty() && core_->when_empty) std::exchange(core_->when_empty, nullptr)();
}

void Connection::close_if_idle() {
    if (idle_) wire_->close();
}

void Connection::close() {
    if (core_->web_sockets.contains(wire_.get())) return;  // was told, and says goodbye
    wire_->mark_gone();
    wire_->close();
}

asio::awaitable<void> Connection::run() {
    while (co_await serve_next()) {
        if (++requests_ % requests_in_a_row == 0) co_await asio::post(wire_->executor(), asio::use_awaitable);
    }
    if (wire_->is_open() && !wire_->gone()) co_await wire_->finish(core_->options.linger_time, max_lingering_bytes);
}

asio::awaitable<bool> Connection::serve_next() {
    Turn turn(*core_);
    turn.request.peer = peer_;
    co_await take_turn(turn);
    if (turn.status != 0) log_access(turn);
    co_return turn.keep_alive && !wire_->gone() && wire_->is_open();
}

asio::awaitable<void> Connection::take_turn(Turn& turn) {
    const ServerOptions& options = core_->options;
    RequestParser parser({.head_bytes = options.max_header_bytes, .target_bytes = options.max_target_bytes,
                          .headers = options.max_headers},
                         options.max_body_bytes, turn.request);
    if (!co_await read_head(turn, parser)) {
        turn.keep_alive = false;
        co_return;
    }
    if (auto answer = early_answer(turn, parser.facts()))
        co_await answer_early(turn, parser, std::move(*answer));
    else if (co_await read_body(turn, parser))
        co_await handle(turn);
}

asio::awaitable<bool> Connection::read_head(Turn& turn, RequestParser& parser) {
    const ServerOptions& options = core_->options;
    idle_ = true;
    wire_->set_deadline(SteadyClock().now() + (requests_ == 0 ? options.header_time : options.idle_time));
    while (true) {
        if (requests_ > 0 && idle_) wire_->consume(wire_->unread().size() - after_blank_line(wire_->unread()).size());
        if (!wire_->unread().empty()) {
            if (std::exchange(idle_, false)) wire_->set_deadline(SteadyClock().now() + options.header_time);
            auto taken = parser.feed_head(wire_->unread());
            turn.http_1_1 = parser.facts().http_1_1;
            turn.keep_alive = taken && parser.facts().keep_alive;
            if (!taken) {
                co_await refuse(turn, std::move(taken.error()));
                co_return false;
            }
            if (*taken > 0) {
                wire_->consume(*taken);
                turn.request.received_at = SteadyClock().now();
                co_return true;
            }
        }
        if (co_await wire_->read()) continue;
        turn.keep_alive = false;
        if (wire_->expired() && !idle_)
            co_await refuse(turn, {.status = 408, .code_word = "request_timeout",
                                   .message = "The request did not arrive in time."});
        co_return false;
    }
}

std::optional<Answer> Connection::early_answer(Turn& turn, const HeadFacts& facts) const {
    Request& request = turn.request;
    for (const Middleware& step : core_->middleware)
        if (auto answer = step(request, turn.reply_headers)) return answer;
    if (purpose_ == Purpose::refuse) {
        turn.keep_alive = false;
        return Refusal{.status = 503, .code_word = "overloaded", .message = "The server has too many connections.",
                       .headers = {{"Retry-After", "1"}}};
    }
    turn.match = core_->router->find(request.method, request.path);
    if (request.method == "OPTIONS" && turn.match.handler == nullptr)
        return Response{.status = 204, .headers = {{"Allow", turn.match.allowed.empty() ? "OPTIONS" : turn.match.allowed}}};
    if (turn.match.handler == nullptr && turn.match.allowed.empty())
        return Refusal{.status = 404, .code_word = "not_found",
                       .message = "There is nothing at " + request.method + " " + request.path + "."};
    if (turn.match.handler == nullptr)
        return Refusal{.status = 405, .code_word = "method_not_allowed",
                       .message = request.method + " is not allowed at " + request.path + ".",
                       .headers = {{"Allow", turn.match.allowed}}};
    if (facts.unknown_expectation)
        return Refusal{.status = 417, .code_word = "expectation_failed",
                       .message = "The only expectation that is understood is \"100-continue\"."};
    if (!is_decodable(request.header("content-encoding")))
        return Refusal{.status = 415, .code_word = "unsupported_media_type",
                       .message = "The only content encoding of requests that is understood is gzip."};
    if (facts.content_length > core_->options.max_body_bytes)
        return Refusal{.status = 413, .code_word = "payload_too_large", .message = "The request body is too large."};
    request.path_parameters = std::move(turn.match.parameters);
    return std::nullopt;
}

asio::awaitable<void> Connection::answer_early(Turn& turn, RequestParser& parser, Answer answer) {
    const HeadFacts& facts = parser.facts();
    parser.discard_body();
    const bool worth_reading = !facts.expects_continue && !facts.chunked && facts.content_length <= max_swallowed_bytes;
    if (!parser.done() && (!worth_reading || !co_await fill_body(turn, parser))) turn.keep_alive = false;
    if (turn.status != 0) co_return;
    if (auto* refusal = std::get_if<Refusal>(&answer)) co_return co_await refuse(turn, std::move(*refusal));
    ServerExchange exchange(*core_, *wire_, turn);
    co_await exchange.reply(std::get<Response>(std::move(answer)));
}

asio::awaitable<bool> Connection::read_body(Turn& turn, RequestParser& parser) {
    if (parser.done()) co_return true;
    if (parser.facts().expects_continue && wire_->unread().empty()) {
        constexpr std::string_view interim = "HTTP/1.1 100 Continue\r\n\r\n";
        co_await wire_->send({asio::buffer(interim)}, core_->options.write_stall_time);
    }
    if (!co_await fill_body(turn, parser)) co_return false;
    if (turn.request.header("content-encoding").empty()) co_return true;
    auto decoded = co_await decode_body(turn.request.header("content-encoding"), std::move(turn.request.body),
                                        core_->options.max_body_bytes);
    if (decoded) {
        turn.request.body = std::move(*decoded);
        turn.charge.set(turn.request.body.size());
        co_return true;
    }
    // The body was read to its end, so that the connection stays usable.
    co_await refuse(turn, std::move(decoded.error()));
    co_return false;
}

// False when the request cannot be served any more; what there was to say has been said.
asio::awaitable<bool> Connection::fill_body(Turn& turn, RequestParser& parser) {
    const ServerOptions& options = core_->options;
    const TimePoint last_moment = SteadyClock().now() + options.body_time;
    std::optional<Refusal> refusal;
    while (!parser.done() && !refusal) {
        auto taken = parser.feed_body(wire_->unread());
        if (!taken) {
            refusal = std::move(taken.error());
            break;
        }
        wire_->consume(*taken);
        turn.charge.set(turn.request.body.size());
        if (core_->buffered_body_bytes > options.max_buffered_body_bytes)
            refusal = Refusal{.status = 503, .code_word = "overloaded", .message = "The server is out of memory for requests.",
                              .headers = {{"Retry-After", "1"}}};
        if (parser.done() || refusal) break;
        wire_->set_deadline(std::min(last_moment, SteadyClock().now() + options.body_stall_time));
        if (co_await wire_->read()) continue;
        turn.keep_alive = false;
        if (!wire_->expired()) co_return false;
        refusal = Refusal{.status = 408, .code_word = "request_timeout", .message = "The request did not arrive in time."};
    }
    wire_->set_deadline(TimePoint::max());
    if (!refusal) co_return true;
    turn.keep_alive = false;
    co_await refuse(turn, std::move(*refusal));
    co_return false;
}

asio::awaitable<void> Connection::handle(Turn& turn) {
    wire_->set_deadline(TimePoint::max());
    ServerExchange exchange(*core_, *wire_, turn);
    std::string failure;
    try {
        co_await (*turn.match.handler)(exchange);
        if (!exchange.started()) failure = "the handler did not answer";
        if (exchange.streaming()) failure = "the handler did not finish its stream";
    } catch (const std::exception& exception) {
        failure = exception.what();
    } catch (...) {
        failure = "unknown exception";
    }
    exchange.detach();
    if (failure.empty()) co_return;
    if (!wire_->gone())
        log_error("handler_failed", {{"request_id", turn.request.id}, {"path", std::string(turn.match.pattern)}, {"what", failure}});
    if (exchange.streaming()) exchange.abort_stream();
    if (!exchange.started())
        co_await refuse(turn, {.status = 500, .code_word = "internal_error", .message = "The server has failed on this request."});
    else
        turn.keep_alive = false;
}

asio::awaitable<void> Connection::refuse(Turn& turn, Refusal refusal) {
    ServerExchange exchange(*core_, *wire_, turn);
    co_await exchange.reply(render(turn, std::move(refusal)));
}

Response Connection::render(const Turn& turn, Refusal refusal) const {
    Response response;
    try {
        response = core_->format_error(turn.request, refusal.status, refusal.code_word, refusal.message);
    } catch (const std::exception& exception) {
        log_error("error_formatter_failed", {{"what", exception.what()}});
        response = plain_error(turn.request, refusal.status, refusal.code_word, std::move(refusal.message));
    }
    response.status = refusal.status;
    std::ranges::move(refusal.headers, std::back_inserter(response.headers));
    return response;
}

}  // namespace weft::http
