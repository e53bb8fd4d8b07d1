#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <string_view>

#include "http/exchange.h"

namespace weft::http {

// Server-sent events on an exchange. What add_...() collects goes out as one write with flush(), so that all events of
// one decode step cost one system call. Lives no longer than its exchange. Thread: io.
class SseWriter {
  public:
    explicit SseWriter(Exchange& exchange) : exchange_(exchange) {}

    // Status 200 and Content-Type: text/event-stream.
    [[nodiscard]] boost::asio::awaitable<void> start(Headers headers = {});

    void add(std::string_view data);                            // data: <data>
    void add_event(std::string_view type, std::string_view data);  // event: <type>, data: <data>
    void add_keep_alive();                                      // a comment, which clients skip
    void add_done();                                            // data: [DONE]

    // False when the client is gone.
    [[nodiscard]] boost::asio::awaitable<bool> flush();

    // The same as add() and flush().
    [[nodiscard]] boost::asio::awaitable<bool> write(std::string_view data);

    [[nodiscard]] boost::asio::awaitable<void> finish();

  private:
    Exchange& exchange_;
    std::string pending_;
};

}  // namespace weft::http
