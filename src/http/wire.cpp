#include "http/wire.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <exception>
#include <utility>

#include "base/log.h"

namespace weft::http {

namespace asio = boost::asio;

namespace {

// What an inbox may keep between requests: enough for the usual head, so that a busy connection does not allocate.
constexpr std::size_t kept_inbox_bytes = 2 * 1024;

constexpr auto ready_or_error = asio::as_tuple(asio::use_awaitable);

void drop_front(std::array<asio::const_buffer, 3>& buffers, std::size_t bytes) {
    for (auto& buffer : buffers) {
        const std::size_t dropped = std::min(bytes, buffer.size());
        buffer += dropped;
        bytes -= dropped;
    }
}

std::size_t size_of(std::span<const asio::const_buffer> buffers) {
    std::size_t bytes = 0;
    for (const auto& buffer : buffers) bytes += buffer.size();
    return bytes;
}

}  // namespace

Wire::Wire(Socket socket, std::shared_ptr<std::vector<char>> scratch)
    : socket_(std::move(socket)), scratch_(std::move(scratch)) {}

void Wire::consume(std::size_t bytes) {
    used_ += bytes;
    if (used_ < inbox_.size()) return;
    used_ = 0;
    if (inbox_.capacity() > kept_inbox_bytes)
        inbox_ = std::string();
    else
        inbox_.clear();
}

asio::awaitable<bool> Wire::read() {
    while (!ended_ && !expired_ && socket_.is_open()) {
        const auto [error] = co_await socket_.async_wait(Socket::wait_read, ready_or_error);
        if (error || expired_) break;
        switch (receive()) {
            case Received::bytes: co_return true;
            case Received::nothing: continue;
            case Received::end: co_return false;
        }
    }
    co_return false;
}

Wire::Received Wire::receive() {
    const ssize_t received = ::recv(socket_.native_handle(), scratch_->data(), scratch_->size(), MSG_DONTWAIT);
    if (received > 0) {
        if (used_ > 0) inbox_.erase(0, std::exchange(used_, 0));
        inbox_.append(scratch_->data(), static_cast<std::size_t>(received));
        return Received::bytes;
    }
    if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return Received::nothing;
    ended_ = true;
    return Received::end;
}

std::size_t Wire::send_now(std::span<const asio::const_buffer> buffers) {
    if (gone_ || !socket_.is_open()) return 0;
    std::array<iovec, 3> parts{};
    std::size_t n_parts = 0;
    for (const auto& buffer : buffers)
        if (buffer.size() > 0) parts[n_parts++] = {const_cast<void*>(buffer.data()), buffer.size()};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = n_parts;
    const ssize_t sent = ::sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) return static_cast<std::size_t>(sent);
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) mark_gone();
    return 0;
}

asio::awaitable<bool> Wire::send(std::array<asio::const_buffer, 3> buffers, Duration stall_time) {
    const auto self = shared_from_this();
    while (true) {
        drop_front(buffers, send_now(buffers));
        if (gone_ || !socket_.is_open()) co_return false;
        if (size_of(buffers) == 0) break;
        set_deadline(SteadyClock().now() + stall_time);
        const auto [error] = co_await socket_.async_wait(Socket::wait_write, ready_or_error);
        if (error || expired_) mark_gone();
    }
    set_deadline(TimePoint::max());
    co_return true;
}

void Wire::set_deadline(TimePoint deadline) {
    deadline_ = deadline;
    expired_ = false;
}

void Wire::sweep(TimePoint now) {
    const bool blind = watching_ && !gone_ && unread().size() >= max_watched_bytes_;
    if (blind && peer_closed()) mark_gone();
    if (now < deadline_) return;
    deadline_ = TimePoint::max();
    expired_ = true;
    boost::system::error_code ignored;
    socket_.cancel(ignored);
}

void Wire::watch(std::size_t max_bytes) {
    max_watched_bytes_ = max_bytes;
    if (watching_ || gone_) return;
    watching_ = true;
    ++watch_number_;
    if (ended_) return mark_gone();
    wait_to_watch();
}

void Wire::unwatch() {
    if (!std::exchange(watching_, false)) return;
    boost::system::error_code ignored;
    socket_.cancel(ignored);
}

void Wire::wait_to_watch() {
    socket_.async_wait(Socket::wait_read,
                       [self = shared_from_this(), number = watch_number_](const boost::system::error_code& error) {
                           if (!error && self->watching_ && number == self->watch_number_) self->on_watched();
                       });
}

void Wire::on_watched() {
    if (receive() == Received::end) return mark_gone();
    // Beyond that the sweep asks the kernel instead.
    if (unread().size() < max_watched_bytes_) wait_to_watch();
}

bool Wire::peer_closed() {
    if (gone_ || ended_ || !socket_.is_open()) return true;
    // Unlike a read this sees an end that lies behind unread bytes.
    pollfd state{.fd = socket_.native_handle(), .events = POLLRDHUP, .revents = 0};
    return ::poll(&state, 1, 0) > 0;
}

void Wire::mark_gone() {
    if (std::exchange(gone_, true)) return;
    if (!gone_callback_) return;
    try {
        std::exchange(gone_callback_, nullptr)();
    } catch (const std::exception& exception) {
        log_error("client_gone_callback_failed", {{"what", exception.what()}});
    }
}

void Wire::on_gone(std::function<void()> callback) {
    gone_callback_ = nullptr;
    if (!callback) return;
    if (gone_) return callback();
    gone_callback_ = std::move(callback);
}

asio::awaitable<void> Wire::finish(Duration linger_time, std::size_t max_bytes) {
    const auto self = shared_from_this();
    boost::system::error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
    set_deadline(SteadyClock().now() + linger_time);
    std::size_t discarded = 0;
    while (discarded < max_bytes) {
        discarded += unread().size();
        consume(unread().size());
        if (!co_await read()) break;
    }
    close();
}

void Wire::close() {
    boost::system::error_code ignored;
    socket_.close(ignored);
}

void Wire::reset() {
    boost::system::error_code ignored;
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    socket_.close(ignored);
}

}  // namespace weft::http
