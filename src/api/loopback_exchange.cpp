#include "api/loopback_exchange.h"

namespace weft::api {
namespace asio = boost::asio;

void LoopbackExchange::leave() {
    gone_ = true;
    if (const auto told = std::exchange(when_gone_, nullptr)) told();
}

asio::awaitable<void> LoopbackExchange::reply(http::Response response) {
    started_ = true;
    answer_ = std::move(response);
    co_return;
}

asio::awaitable<void> LoopbackExchange::start_stream(std::string content_type, http::Headers headers) {
    started_ = true;
    answer_ = {.content_type = std::move(content_type), .headers = std::move(headers)};
    co_return;
}

asio::awaitable<bool> LoopbackExchange::write(std::string_view data) {
    answer_.body += data;
    co_return !gone_;
}

asio::awaitable<void> LoopbackExchange::finish_stream() { co_return; }

void LoopbackExchange::on_client_gone(std::function<void()> callback) {
    when_gone_ = nullptr;
    if (callback && gone_) return callback();
    when_gone_ = std::move(callback);
}

}  // namespace weft::api
