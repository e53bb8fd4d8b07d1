#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <string_view>

#include "http/exchange.h"

namespace weft::http {

// One JSON object per line on an exchange. What add() collects goes out as one write with flush(). Lives no longer than
// its exchange. Thread: io.
class NdjsonWriter {
  public:
    explicit NdjsonWriter(Exchange& exchange) : exchange_(exchange) {}

    // Status 200 and Content-Type: application/x-ndjson.
    [[nodiscard]] boost::asio::awaitable<void> start(Headers headers = {});

    // json has no line break in it.
    void add(std::string_view json);
    // False when the client is gone.
    [[nodiscard]] boost::asio::awaitable<bool> flush();
    // The same as add() and flush().
    [[nodiscard]] boost::asio::awaitable<bool> write(std::string_view json);

    [[nodiscard]] boost::asio::awaitable<void> finish();

  private:
    Exchange& exchange_;
    std::string pending_;
};

}  // namespace weft::http
