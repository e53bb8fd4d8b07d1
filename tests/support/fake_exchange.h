#pragma once

#include <string>
#include <vector>

#include "http/exchange.h"

namespace weft::test {

// An exchange without a network: takes a request, writes down what a handler answers. Thread: that of its executor.
class FakeExchange final : public http::Exchange {
  public:
    FakeExchange(boost::asio::any_io_executor io, http::Request request)
        : io_(std::move(io)), request_(std::move(request)) {}

    enum class End { open, replied, finished, aborted };

    http::Response answer{};             // of a stream: status 200, its head, and all that was written as the body
    std::vector<std::string> writes{};   // of a stream, one by one
    End end = End::open;
    int replies = 0;                     // more than one is a bug of the handler

    // The client closes its connection: the handler is told, and writes fail from now on.
    void leave();

    const http::Request& request() const override { return request_; }
    boost::asio::any_io_executor executor() const override { return io_; }
    void add_header(std::string name, std::string value) override;
    boost::asio::awaitable<void> reply(http::Response response) override;
    boost::asio::awaitable<void> start_stream(std::string content_type, http::Headers headers) override;
    boost::asio::awaitable<bool> write(std::string_view data) override;
    boost::asio::awaitable<void> finish_stream() override;
    void abort_stream() override;
    bool started() const override { return started_; }
    void on_client_gone(std::function<void()> callback) override;
    bool client_gone() const override { return gone_; }

  private:
    void begin();

    boost::asio::any_io_executor io_;
    http::Request request_;
    http::Headers headers_;
    std::function<void()> when_gone_;
    bool started_ = false;
    bool gone_ = false;
};

}  // namespace weft::test
