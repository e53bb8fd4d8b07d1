#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <string>
#include <string_view>

#include "base/error.h"

namespace weft::bench {

using Endpoint = boost::asio::ip::tcp::endpoint;

// One HTTP/1.1 connection of a client, kept alive between requests. Does no more than the load generator needs, and does
// that cheaply: it runs on the same processors as the server it measures. Thread: the one of its executor.
class Connection {
  public:
    Connection(boost::asio::any_io_executor executor, Endpoint server);

    [[nodiscard]] bool is_open() const { return socket_.is_open(); }
    [[nodiscard]] boost::asio::awaitable<Result<void>> open();
    // Any operation in progress ends with an error. timed_out tells later which.
    void close();

    [[nodiscard]] boost::asio::awaitable<Result<void>> send(std::string_view bytes);
    // Reads the head of the next response; returns its status.
    [[nodiscard]] boost::asio::awaitable<Result<int>> read_head();
    // The next part of its body; empty when it is complete. Borrowed: valid until the next call of anything here.
    [[nodiscard]] boost::asio::awaitable<Result<std::string_view>> read_body();
    // Only between responses: what the server asked for with "Connection: close", or had to.
    [[nodiscard]] bool reusable() const { return is_open() && keep_alive_; }

  private:
    enum class Framing { none, length, chunk_size, chunk_data, chunk_end, trailer, until_close };

    [[nodiscard]] boost::asio::awaitable<Result<void>> fill();
    [[nodiscard]] Result<void> take_head(std::string_view head, int& status);
    // A line without its CRLF, if it is there.
    [[nodiscard]] bool take_line(std::string_view& line);
    [[nodiscard]] std::string_view take(std::size_t most);
    [[nodiscard]] Result<bool> advance_chunk();

    boost::asio::ip::tcp::socket socket_;
    Endpoint server_;
    std::string buffer_;
    std::size_t at_ = 0;  // read so far of buffer_
    Framing framing_ = Framing::none;
    std::uint64_t left_ = 0;  // of the body or the chunk
    bool keep_alive_ = true;
};

}  // namespace weft::bench
