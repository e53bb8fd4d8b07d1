#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "http/exchange.h"
#include "services/chat/chat_service.h"

namespace weft::api {

// Cancels something when the client leaves, for as long as it lives.
class ClientWatch {
  public:
    ClientWatch(http::Exchange& exchange, std::function<void()> gone) : exchange_(exchange) {
        exchange_.on_client_gone(std::move(gone));
    }
    ClientWatch(const ClientWatch&) = delete;
    ClientWatch& operator=(const ClientWatch&) = delete;
    ~ClientWatch() { exchange_.on_client_gone({}); }

  private:
    http::Exchange& exchange_;
};

// For services that wait on the client's behalf.
[[nodiscard]] std::function<void(std::function<void()>)> leaving_of(http::Exchange& exchange);

// For answers that are not streamed. Both give up when the client leaves.
[[nodiscard]] boost::asio::awaitable<Result<Reply>> wait_for_reply(http::Exchange& exchange, Pending<Reply> pending);
[[nodiscard]] boost::asio::awaitable<Result<void>> collect(http::Exchange& exchange, TokenStream& events,
                                                           std::function<void(GenerationEvent event)> add);

// How a dialect behaves while a streamed answer is silent or goes wrong.
struct StreamManners {
    // An error found before the head was sent, and one after it: whole events, which end the stream.
    std::function<http::Response(const Error& error)> error_response;
    std::function<std::string(const Error& error)> error_event;
    // What fills silence, so that no client or proxy takes the stream for dead.
    std::function<std::string_view()> keep_alive;
    // How long the head waits for the model to be loaded and the prompt to be accepted.
    std::chrono::milliseconds head_patience{10'000};
    std::chrono::milliseconds keep_alive_interval{10'000};
};

// A comment of the event stream, for dialects without an event of their own for it. Not "ping": one client takes
// ": ping" for the end of the stream.
inline constexpr std::string_view keep_alive_comment = ": keep-alive\n\n";

// Waits for a model and its events on behalf of a streamed answer. The head of the answer is held back until there is
// something to say or head_patience is over, so that an error found until then is an ordinary error response; after
// that, silence is filled. Thread: io.
class ReplyWaiter {
  public:
    // Appends what an event means for the client to the text that is to be sent.
    using AddEvent = std::function<void(GenerationEvent event, std::string& out)>;

    ReplyWaiter(http::Exchange& exchange, StreamManners manners);

    [[nodiscard]] boost::asio::awaitable<Result<Reply>> wait_for(Pending<Reply> pending);
    [[nodiscard]] boost::asio::awaitable<GenerationEvent> next(TokenStream& events);

    // Sends the head first if it has not gone out yet. False when the client is gone.
    [[nodiscard]] boost::asio::awaitable<bool> write(std::string_view data);
    // Writes what `add` makes of each event, everything that is there in one write, up to and including the last event.
    // False when the answer is over before that: the client left, or the error that came instead has been told.
    [[nodiscard]] boost::asio::awaitable<bool> send_all(TokenStream& events, AddEvent add);

    // The error as a response of its own while that is possible, else as an event that ends the stream.
    [[nodiscard]] boost::asio::awaitable<void> fail(Error error);

  private:
    [[nodiscard]] std::chrono::milliseconds patience() const;
    [[nodiscard]] boost::asio::awaitable<void> show_life();

    http::Exchange& exchange_;
    StreamManners manners_;
    std::chrono::steady_clock::time_point head_deadline_;
};

}  // namespace weft::api
