#include "support/fake_exchange.h"

#include <utility>

#include "base/assert.h"

namespace weft::test {
namespace asio = boost::asio;

void FakeExchange::leave() {
    gone_ = true;
    if (const auto callback = std::exchange(when_gone_, {})) callback();
}

void FakeExchange::add_header(std::string name, std::string value) {
    headers_.emplace_back(std::move(name), std::move(value));
}

void FakeExchange::begin() {
    assert_that(!started_, "a handler answers once");
    started_ = true;
    answer.headers.insert(answer.headers.begin(), headers_.begin(), headers_.end());
}

asio::awaitable<void> FakeExchange::reply(http::Response response) {
    answer = std::move(response);
    begin();
    ++replies;
    end = End::replied;
    co_return;
}

asio::awaitable<void> FakeExchange::start_stream(std::string content_type, http::Headers headers) {
    answer = {.content_type = std::move(content_type), .headers = std::move(headers)};
    begin();
    co_return;
}

asio::awaitable<bool> FakeExchange::write(std::string_view data) {
    assert_that(started_ && end == End::open, "a stream is written between its head and its end");
    if (gone_) co_return false;
    writes.emplace_back(data);
    answer.body += data;
    co_return true;
}

asio::awaitable<void> FakeExchange::finish_stream() {
    assert_that(started_ && end == End::open, "a stream ends once");
    end = End::finished;
    co_return;
}

void FakeExchange::abort_stream() { end = End::aborted; }

void FakeExchange::on_client_gone(std::function<void()> callback) {
    when_gone_ = std::move(callback);
    if (gone_ && when_gone_) std::exchange(when_gone_, {})();
}

}  // namespace weft::test
