#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "api/openai/services.h"
#include "http/exchange.h"

namespace weft::api::openai {

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

// For answers that are not streamed. Both give up when the client leaves.
[[nodiscard]] boost::asio::awaitable<Result<Reply>> wait_for_reply(http::Exchange& exchange, Pending<Reply> pending);
[[nodiscard]] boost::asio::awaitable<Result<void>> collect(http::Exchange& exchange, TokenStream& events,
                                                           std::function<void(GenerationEvent event)> add);

// Waits for a model and its events on behalf of a streamed answer. The head of the answer is held back until there is
// something to say or Services::head_patience is over, so that an error found until then is an ordinary error response;
// after that, silence is filled with comments. Thread: io.
class ReplyWaiter {
  public:
    // Appends what an event means for the client to the text that is to be sent.
    using AddEvent = std::function<void(GenerationEvent event, std::string& out)>;

    // prompt_field: what an overflow of the context window is blamed on.
    ReplyWaiter(http::Exchange& exchange, const Services& services, std::string_view prompt_field);

    [[nodiscard]] boost::asio::awaitable<Result<Reply>> wait_for(Pending<Reply> pending);
    [[nodiscard]] boost::asio::awaitable<GenerationEvent> next(TokenStream& events);

    // Sends the head first if it has not gone out yet. False when the client is gone.
    [[nodiscard]] boost::asio::awaitable<bool> write(std::string_view data);
    // Writes what `add` makes of each event, everything that is there in one write, up to and including the last event.
    // False when the answer is over before that: the client left, or the error that came instead has been told.
    [[nodiscard]] boost::asio::awaitable<bool> send_all(TokenStream& events, AddEvent add);

    // The error as a response of its own while that is possible, else as an event that ends the stream without [DONE].
    [[nodiscard]] boost::asio::awaitable<void> fail(Error error);

  private:
    [[nodiscard]] std::chrono::milliseconds patience() const;
    [[nodiscard]] boost::asio::awaitable<void> show_life();

    http::Exchange& exchange_;
    const Services& services_;
    std::string_view prompt_field_;
    std::chrono::steady_clock::time_point head_deadline_;
};

}  // namespace weft::api::openai
