#pragma once

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace weft::http {

using Socket = boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol,
                                                boost::asio::io_context::executor_type>;

// The bytes of one connection: what was received and not used yet, sending with back-pressure, one deadline, and
// whether the client is still there. Between requests it holds no buffer: bytes are received into one scratch buffer
// that all connections of a server share. Thread: io.
class Wire : public std::enable_shared_from_this<Wire> {
  public:
    // scratch outlives the wire's last read.
    Wire(Socket socket, std::shared_ptr<std::vector<char>> scratch);

    // For a protocol that takes the connection over: nothing else of the wire may be used meanwhile.
    [[nodiscard]] Socket& socket() { return socket_; }
    [[nodiscard]] Socket::executor_type executor() { return socket_.get_executor(); }

    // Received bytes that nobody has consumed. Valid until the next read() or consume().
    [[nodiscard]] std::string_view unread() const { return std::string_view(inbox_).substr(used_); }
    void consume(std::size_t bytes);

    // Waits for more bytes. False when none will come: closed by either side, or past the deadline (see expired()).
    [[nodiscard]] boost::asio::awaitable<bool> read();

    // Sends what the kernel takes now, without waiting. How many bytes; a failure counts as gone.
    [[nodiscard]] std::size_t send_now(std::span<const boost::asio::const_buffer> buffers);
    // Sends everything; false when the client is gone, which not taking a byte for stall_time also means.
    [[nodiscard]] boost::asio::awaitable<bool> send(std::array<boost::asio::const_buffer, 3> buffers,
                                                    Duration stall_time);

    // One deadline for whatever is going on now; applied by sweep(), which the server calls every now and then.
    void set_deadline(TimePoint deadline);
    void sweep(TimePoint now);
    // The last deadline passed; read() and send() then fail.
    [[nodiscard]] bool expired() const { return expired_; }

    // From here to unwatch(), what arrives is taken in (at most max_bytes) so that an end of the connection is noticed
    // while nobody reads. A client that only closes its sending side counts as gone, too: it cannot be told apart.
    void watch(std::size_t max_bytes);
    void unwatch();
    // Asks the kernel once; for callers that do not watch.
    [[nodiscard]] bool peer_closed();

    [[nodiscard]] bool gone() const { return gone_; }
    void mark_gone();
    // Called once when gone() turns true; at once when it is.
    void on_gone(std::function<void()> callback);

    // Tells the client that nothing more comes, and waits until it closes as well, so that closing with unread input
    // does not destroy the answer on its way. Stops after linger_time or max_bytes.
    [[nodiscard]] boost::asio::awaitable<void> finish(Duration linger_time, std::size_t max_bytes);
    void close();
    // The client sees a reset instead of an orderly end.
    void reset();
    [[nodiscard]] bool is_open() const { return socket_.is_open(); }

  private:
    enum class Received { bytes, nothing, end };
    [[nodiscard]] Received receive();
    void wait_to_watch();
    void on_watched();

    Socket socket_;
    std::shared_ptr<std::vector<char>> scratch_;
    std::string inbox_;
    std::size_t used_ = 0;  // of inbox_
    TimePoint deadline_ = TimePoint::max();
    std::function<void()> gone_callback_;
    std::size_t max_watched_bytes_ = 0;
    unsigned watch_number_ = 0;  // so that a late completion of an earlier watch is recognised
    bool watching_ = false;
    bool expired_ = false;
    bool gone_ = false;
    bool ended_ = false;  // the peer has closed its side or failed
};

}  // namespace weft::http
