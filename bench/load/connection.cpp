#include "connection.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <cstddef>

namespace weft::bench {
namespace {

namespace asio = boost::asio;
constexpr auto no_throw = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t read_size = 16 * 1024;
constexpr std::size_t max_head = 64 * 1024;

std::unexpected<Error> broken(std::string what) { return fail(ErrorCode::engine_failed, std::move(what)); }

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if ((a[i] | 0x20) != (b[i] | 0x20)) return false;
    return true;
}

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ') || text.ends_with('\r')) text.remove_suffix(1);
    return text;
}

}  // namespace

Connection::Connection(asio::any_io_executor executor, Endpoint server)
    : socket_(std::move(executor)), server_(std::move(server)) {}

asio::awaitable<Result<void>> Connection::open() {
    buffer_.clear();
    at_ = 0;
    framing_ = Framing::none;
    keep_alive_ = true;
    socket_ = asio::ip::tcp::socket(socket_.get_executor());
    const auto [error] = co_await socket_.async_connect(server_, no_throw);
    if (error) {
        close();
        co_return fail(ErrorCode::not_found, "connect: " + error.message());
    }
    boost::system::error_code ignored;
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    co_return Result<void>{};
}

void Connection::close() {
    boost::system::error_code ignored;
    socket_.close(ignored);
}

asio::awaitable<Result<void>> Connection::send(std::string_view bytes) {
    const auto [error, n] = co_await asio::async_write(socket_, asio::buffer(bytes), no_throw);
    if (error) co_return broken("send: " + error.message());
    co_return Result<void>{};
}

asio::awaitable<Result<int>> Connection::read_head() {
    std::size_t searched = at_;
    for (;;) {
        const auto end = buffer_.find("\r\n\r\n", searched);
        if (end != std::string::npos) {
            const auto head = std::string_view(buffer_).substr(at_, end + 2 - at_);
            int status = 0;
            if (auto taken = take_head(head, status); !taken) co_return std::unexpected(taken.error());
            at_ = end + 4;
            co_return status;
        }
        if (buffer_.size() - at_ > max_head) co_return broken("a response head without end");
        // fill() may move what is unread to the front.
        const std::size_t unread = buffer_.size() - at_;
        if (auto filled = co_await fill(); !filled) co_return std::unexpected(filled.error());
        searched = at_ + (unread > 3 ? unread - 3 : 0);
    }
}

asio::awaitable<Result<std::string_view>> Connection::read_body() {
    for (;;) {
        if (framing_ == Framing::none) co_return std::string_view();
        if (framing_ == Framing::length || framing_ == Framing::chunk_data || framing_ == Framing::until_close) {
            if (const auto piece = take(left_); !piece.empty()) {
                if (framing_ != Framing::until_close) left_ -= piece.size();
                if (left_ == 0) framing_ = framing_ == Framing::length ? Framing::none : Framing::chunk_end;
                co_return piece;
            }
        } else {
            const auto advanced = advance_chunk();
            if (!advanced) co_return std::unexpected(advanced.error());
            if (*advanced) continue;
        }
        if (auto filled = co_await fill(); !filled) {
            if (framing_ != Framing::until_close) co_return std::unexpected(filled.error());
            framing_ = Framing::none;
            close();
        }
    }
}

asio::awaitable<Result<void>> Connection::fill() {
    if (at_ == buffer_.size()) {
        buffer_.clear();
        at_ = 0;
    } else if (at_ > read_size) {
        buffer_.erase(0, at_);
        at_ = 0;
    }
    const std::size_t before = buffer_.size();
    // Without writing zeros into what the read overwrites anyway.
    buffer_.resize_and_overwrite(before + read_size, [](char*, std::size_t n) { return n; });
    const auto [error, n] =
        co_await socket_.async_read_some(asio::buffer(buffer_.data() + before, read_size), no_throw);
    buffer_.resize(before + n);
    if (error) co_return broken("read: " + error.message());
    co_return Result<void>{};
}

Result<void> Connection::take_head(std::string_view head, int& status) {
    if (!head.starts_with("HTTP/1.") || head.size() < 12) return broken("not an HTTP/1 response");
    std::from_chars(head.data() + 9, head.data() + 12, status);
    framing_ = status == 204 || status == 304 ? Framing::none : Framing::until_close;
    left_ = UINT64_MAX;
    head.remove_prefix(head.find("\r\n") + 2);
    while (!head.empty()) {
        const auto end = head.find("\r\n");
        const auto line = head.substr(0, end);
        head.remove_prefix(end + 2);
        const auto colon = line.find(':');
        if (colon == std::string_view::npos) return broken("a header line without a colon");
        const auto name = line.substr(0, colon);
        const auto value = trimmed(line.substr(colon + 1));
        if (equals_ignoring_case(name, "content-length")) {
            std::from_chars(value.data(), value.data() + value.size(), left_);
            framing_ = left_ == 0 ? Framing::none : Framing::length;
        } else if (equals_ignoring_case(name, "transfer-encoding")) {
            framing_ = Framing::chunk_size;
        } else if (equals_ignoring_case(name, "connection")) {
            keep_alive_ = !equals_ignoring_case(value, "close");
        }
    }
    if (framing_ == Framing::until_close) keep_alive_ = false;
    return {};
}

bool Connection::take_line(std::string_view& line) {
    const auto end = buffer_.find("\r\n", at_);
    if (end == std::string::npos) return false;
    line = std::string_view(buffer_).substr(at_, end - at_);
    at_ = end + 2;
    return true;
}

std::string_view Connection::take(std::size_t most) {
    const auto piece = std::string_view(buffer_).substr(at_, most);
    at_ += piece.size();
    return piece;
}

// One step between chunks; false when more bytes are needed.
Result<bool> Connection::advance_chunk() {
    std::string_view line;
    if (!take_line(line)) return false;
    if (framing_ == Framing::chunk_end) {
        framing_ = Framing::chunk_size;
    } else if (framing_ == Framing::trailer) {
        if (line.empty()) framing_ = Framing::none;
    } else {
        const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), left_, 16);
        if (error != std::errc()) return broken("a chunk without a size");
        framing_ = left_ == 0 ? Framing::trailer : Framing::chunk_data;
    }
    return true;
}

}  // namespace weft::bench
