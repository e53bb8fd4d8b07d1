#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "http/exchange.h"
#include "http/response_head.h"
#include "http/router.h"
#include "http/server_core.h"
#include "http/wire.h"

namespace weft::http {

// One request on a connection, and what is known about its answer so far.
struct Turn {
    explicit Turn(ServerCore& core) : request{.id = core.new_request_id()}, charge(core.buffered_body_bytes) {}

    Request request;
    BodyCharge charge;
    bool http_1_1 = true;
    bool keep_alive = true;         // as the client asked; false as soon as the connection has to end after this answer
    Headers reply_headers{};        // that any answer carries
    Router::Match match{};
    int status = 0;                 // 0: nothing has been sent
    std::uint64_t bytes_sent = 0;   // of the body
};

// The server's side of the Exchange interface. Lives as long as its handler runs. Thread: io.
class ServerExchange final : public Exchange {
  public:
    ServerExchange(ServerCore& core, Wire& wire, Turn& turn) : core_(core), wire_(wire), turn_(turn) {}

    [[nodiscard]] const Request& request() const override { return turn_.request; }
    [[nodiscard]] boost::asio::any_io_executor executor() const override { return wire_.executor(); }
    void add_header(std::string name, std::string value) override;

    // These throw std::logic_error when they are called out of order; the server then ends the answer.
    [[nodiscard]] boost::asio::awaitable<void> reply(Response response) override;
    [[nodiscard]] boost::asio::awaitable<void> start_stream(std::string content_type, Headers headers) override;
    [[nodiscard]] boost::asio::awaitable<bool> write(std::string_view data) override;
    [[nodiscard]] boost::asio::awaitable<void> finish_stream() override;
    void abort_stream() override;
    [[nodiscard]] boost::asio::awaitable<std::shared_ptr<WebSocket>> accept_web_socket() override;

    [[nodiscard]] bool started() const override { return state_ != State::unanswered; }
    void on_client_gone(std::function<void()> callback) override;
    [[nodiscard]] bool client_gone() const override;

    [[nodiscard]] bool streaming() const { return state_ == State::streaming; }
    // The handler has returned: nothing more is watched, no callback is called any more.
    void detach();

  private:
    enum class State { unanswered, streaming, finished };

    [[nodiscard]] ResponseHead begin_answer(int status, State next);
    void require_streaming() const;

    ServerCore& core_;
    Wire& wire_;
    Turn& turn_;
    State state_ = State::unanswered;
    Framing framing_ = Framing::content_length;
    unsigned writes_in_a_row_ = 0;  // without having let others run
    bool watching_ = false;
};

}  // namespace weft::http
