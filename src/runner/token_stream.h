#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "runner/generation.h"

namespace weft {

// Events of one generation on their way from a runner to a handler. The reader owns the TokenStream; the producer holds
// a TokenStreamWriter. Bounded: at `high_water` unread events the producer is told to pause (which parks that sequence
// only) and at `low_water` to go on. Thread: io, both ends.
class TokenStreamWriter;

class TokenStream {
  public:
    static constexpr std::size_t high_water = 256;
    static constexpr std::size_t low_water = 64;

    TokenStream() = default;
    TokenStream(TokenStream&&) noexcept = default;
    TokenStream& operator=(TokenStream&&) noexcept;
    ~TokenStream();

    // The next event; waits for it. After the last event (is_last) it must not be called again.
    [[nodiscard]] boost::asio::awaitable<GenerationEvent> next();

    // The next event if one is there. Lets a writer put all pieces of one step into one write.
    [[nodiscard]] std::optional<GenerationEvent> try_next();

    // The next event, or nothing when none came within `patience` (for keep-alive comments).
    [[nodiscard]] boost::asio::awaitable<std::optional<GenerationEvent>> next_within(std::chrono::milliseconds patience);

    // Ends the wait of a reader with Error{cancelled}; the generation is cancelled. Called when the client is gone.
    void cancel();

    struct State;
    // A stream and its writer. `on_pause(true)` asks the producer to pause, `on_pause(false)` to go on; `on_cancel` is
    // called once if the reader leaves before the last event.
    struct Hooks {
        std::function<void(bool)> on_pause;
        std::function<void()> on_cancel;
    };
    [[nodiscard]] static std::pair<TokenStream, TokenStreamWriter> create(boost::asio::any_io_executor io, Hooks hooks);
    // A stream that holds just this error.
    [[nodiscard]] static TokenStream failed(boost::asio::any_io_executor io, Error error);

  private:
    explicit TokenStream(std::shared_ptr<State> state) : state_(std::move(state)) {}
    std::shared_ptr<State> state_;
};

class TokenStreamWriter {
  public:
    // Appends an event; ignored after the last one and when the reader is gone.
    void push(GenerationEvent event);
    [[nodiscard]] bool reader_gone() const;
    [[nodiscard]] bool ended() const;

  private:
    friend class TokenStream;
    explicit TokenStreamWriter(std::shared_ptr<TokenStream::State> state) : state_(std::move(state)) {}
    std::shared_ptr<TokenStream::State> state_;
};

}  // namespace weft
