#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <utility>

#include "http/exchange.h"

namespace weft::api {

// A request that the server makes of itself: handlers answer it like any other, and the answer stays here. Streams are
// collected. Thread: io.
class LoopbackExchange final : public http::Exchange {
  public:
    LoopbackExchange(boost::asio::any_io_executor io, http::Request request) : io_(std::move(io)), request_(std::move(request)) {}

    [[nodiscard]] const http::Response& answer() const { return answer_; }
    // As if the client had closed its connection.
    void leave();

    [[nodiscard]] const http::Request& request() const override { return request_; }
    [[nodiscard]] boost::asio::any_io_executor executor() const override { return io_; }
    void add_header(std::string, std::string) override {}
    [[nodiscard]] boost::asio::awaitable<void> reply(http::Response response) override;
    [[nodiscard]] boost::asio::awaitable<void> start_stream(std::string content_type, http::Headers headers) override;
    [[nodiscard]] boost::asio::awaitable<bool> write(std::string_view data) override;
    [[nodiscard]] boost::asio::awaitable<void> finish_stream() override;
    void abort_stream() override {}
    [[nodiscard]] bool started() const override { return started_; }
    void on_client_gone(std::function<void()> callback) override;
    [[nodiscard]] bool client_gone() const override { return gone_; }

  private:
    boost::asio::any_io_executor io_;
    http::Request request_;
    http::Response answer_{.status = 500};
    std::function<void()> when_gone_{};
    bool started_ = false;
    bool gone_ = false;
};

}  // namespace weft::api
