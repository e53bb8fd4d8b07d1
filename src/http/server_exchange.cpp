#include "http/server_exchange.h"

#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <stdexcept>
#include <utility>

#include "http/web_socket_server.h"

namespace weft::http {

namespace asio = boost::asio;

namespace {

// Up to this size a body is copied behind its head, which is cheaper than a second buffer for the kernel.
constexpr std::size_t small_body_bytes = 16 * 1024;

// RFC 9110 section 6.4.1: these never have a body, nor a length.
bool may_have_body(int status) { return status >= 200 && status != 204 && status != 304; }

// A client that reads as fast as its handler writes lets other connections have a turn after that many writes.
constexpr unsigned max_writes_in_a_row = 32;

constexpr int switching_protocols = 101;

asio::const_buffer to_buffer(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

void ServerExchange::add_header(std::string name, std::string value) {
    turn_.reply_headers.emplace_back(std::move(name), std::move(value));
}

ResponseHead ServerExchange::begin_answer(int status, State next) {
    if (started()) throw std::logic_error("the request has been answered already");
    state_ = next;
    turn_.status = status;
    if (core_.draining) turn_.keep_alive = false;
    return {.status = status, .http_1_1 = turn_.http_1_1, .keep_alive = turn_.keep_alive, .date = core_.date(),
            .request_id = turn_.request.id};
}

asio::awaitable<void> ServerExchange::reply(Response response) {
    ResponseHead head = begin_answer(response.status, State::finished);
    const bool has_body = may_have_body(response.status);
    head.framing = has_body ? Framing::content_length : Framing::no_body;
    head.content_length = response.body.size();
    if (has_body) head.content_type = response.content_type;
    if (!has_body || turn_.request.method == "HEAD") response.body.clear();
    turn_.bytes_sent = response.body.size();

    std::string& out = core_.write_scratch;
    out.clear();
    append_response_head(out, head, turn_.reply_headers, response.headers);
    std::string_view body = response.body;
    if (body.size() <= small_body_bytes) out.append(std::exchange(body, {}));
    const std::size_t sent = wire_.send_now(std::array{to_buffer(out), to_buffer(body)});
    if (sent == out.size() + body.size()) co_return;
    // The scratch belongs to the next reply as soon as this coroutine waits.
    const std::string rest = sent < out.size() ? out.substr(sent) : std::string();
    body.remove_prefix(sent > out.size() ? sent - out.size() : 0);
    co_await wire_.send({to_buffer(rest), to_buffer(body)}, core_.options.write_stall_time);
}

asio::awaitable<void> ServerExchange::start_stream(std::string content_type, Headers headers) {
    if (!turn_.http_1_1) turn_.keep_alive = false;
    ResponseHead head = begin_answer(200, State::streaming);
    framing_ = turn_.http_1_1 ? Framing::chunked : Framing::until_close;
    head.framing = framing_;
    head.content_type = content_type;
    // Proxies must hand every event on at once and keep none.
    Headers stream_headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}};
    stream_headers.insert(stream_headers.end(), turn_.reply_headers.begin(), turn_.reply_headers.end());
    std::string out;
    append_response_head(out, head, stream_headers, headers);
    co_await wire_.send({to_buffer(out)}, core_.options.write_stall_time);
    watching_ = true;
    wire_.watch(core_.options.max_pipelined_bytes);
}

asio::awaitable<bool> ServerExchange::write(std::string_view data) {
    require_streaming();
    if (wire_.gone()) co_return false;
    // A chunk of length 0 would be the end of the stream.
    if (data.empty() || turn_.request.method == "HEAD") co_return true;
    turn_.bytes_sent += data.size();
    if (++writes_in_a_row_ % max_writes_in_a_row == 0) co_await asio::post(wire_.executor(), asio::use_awaitable);
    if (framing_ == Framing::until_close)
        co_return co_await wire_.send({to_buffer(data)}, core_.options.write_stall_time);
    std::array<char, 20> size{};
    char* end = std::to_chars(size.data(), size.data() + 16, data.size(), 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    co_return co_await wire_.send({asio::buffer(size.data(), static_cast<std::size_t>(end - size.data())),
                                   to_buffer(data), to_buffer("\r\n")},
                                  core_.options.write_stall_time);
}

asio::awaitable<void> ServerExchange::finish_stream() {
    require_streaming();
    state_ = State::finished;
    if (framing_ == Framing::chunked && turn_.request.method != "HEAD")
        co_await wire_.send({to_buffer("0\r\n\r\n")}, core_.options.write_stall_time);
}

void ServerExchange::abort_stream() {
    require_streaming();
    state_ = State::finished;
    turn_.keep_alive = false;
    // Without chunks only a reset tells the client that the end is not the end.
    if (framing_ == Framing::until_close) wire_.reset();
}

asio::awaitable<std::shared_ptr<WebSocket>> ServerExchange::accept_web_socket() {
    if (started() || !is_web_socket_handshake(turn_.request, turn_.http_1_1) || !wire_.unread().empty()) co_return nullptr;
    turn_.keep_alive = false;  // nothing but the end can follow
    auto socket = co_await open_web_socket(core_, wire_, turn_.request);
    if (!socket) co_return nullptr;
    state_ = State::finished;
    turn_.status = switching_protocols;
    co_return socket;
}

void ServerExchange::require_streaming() const {
    if (state_ != State::streaming) throw std::logic_error("no stream is open");
}

void ServerExchange::on_client_gone(std::function<void()> callback) {
    if (callback && !std::exchange(watching_, true)) wire_.watch(core_.options.max_pipelined_bytes);
    wire_.on_gone(std::move(callback));
}

bool ServerExchange::client_gone() const { return wire_.gone() || (!watching_ && wire_.peer_closed()); }

void ServerExchange::detach() {
    wire_.on_gone(nullptr);
    if (std::exchange(watching_, false)) wire_.unwatch();
}

}  // namespace weft::http
