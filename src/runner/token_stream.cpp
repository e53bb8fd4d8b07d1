#include "runner/token_stream.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/assert.h"

namespace weft {
namespace asio = boost::asio;

struct TokenStream::State {
    State(asio::any_io_executor io, Hooks h) : wake(io, asio::steady_timer::time_point::max()), hooks(std::move(h)) {}

    asio::steady_timer wake;  // never expires by itself unless next_within() says so; cancelled when an event arrives
    Hooks hooks;
    std::deque<GenerationEvent> events;
    bool reader_gone = false;
    bool last_pushed = false;
    bool last_read = false;
    bool paused = false;

    void leave() {
        if (reader_gone) return;
        reader_gone = true;
        events.clear();
        wake.cancel();
        if (!last_pushed && hooks.on_cancel) hooks.on_cancel();
        hooks = {};
    }

    GenerationEvent take() {
        GenerationEvent event = std::move(events.front());
        events.pop_front();
        if (is_last(event)) last_read = true;
        if (paused && events.size() <= low_water) {
            paused = false;
            if (hooks.on_pause) hooks.on_pause(false);
        }
        return event;
    }
};

TokenStream::~TokenStream() {
    if (state_) state_->leave();
}

TokenStream& TokenStream::operator=(TokenStream&& other) noexcept {
    if (this != &other) {
        if (state_) state_->leave();
        state_ = std::move(other.state_);
    }
    return *this;
}

asio::awaitable<GenerationEvent> TokenStream::next() {
    const auto state = state_;
    while (state->events.empty()) {
        if (state->reader_gone) co_return Error{.code = ErrorCode::cancelled, .message = "the request was cancelled"};
        assert_that(!state->last_read, "a stream is not read past its last event");
        state->wake.expires_at(asio::steady_timer::time_point::max());
        boost::system::error_code ignored;
        co_await state->wake.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    co_return state->take();
}

asio::awaitable<std::optional<GenerationEvent>> TokenStream::next_within(std::chrono::milliseconds patience) {
    const auto state = state_;
    if (state->events.empty() && !state->reader_gone) {
        assert_that(!state->last_read, "a stream is not read past its last event");
        state->wake.expires_after(patience);
        boost::system::error_code ignored;
        co_await state->wake.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    if (state->reader_gone) co_return Error{.code = ErrorCode::cancelled, .message = "the request was cancelled"};
    if (state->events.empty()) co_return std::nullopt;
    co_return state->take();
}

std::optional<GenerationEvent> TokenStream::try_next() {
    if (state_->events.empty()) return std::nullopt;
    return state_->take();
}

void TokenStream::cancel() {
    if (state_) state_->leave();
}

std::pair<TokenStream, TokenStreamWriter> TokenStream::create(asio::any_io_executor io, Hooks hooks) {
    auto state = std::make_shared<State>(std::move(io), std::move(hooks));
    return {TokenStream(state), TokenStreamWriter(state)};
}

TokenStream TokenStream::failed(asio::any_io_executor io, Error error) {
    auto [stream, writer] = create(std::move(io), {});
    writer.push(std::move(error));
    return std::move(stream);
}

void TokenStreamWriter::push(GenerationEvent event) {
    auto& state = *state_;
    if (state.reader_gone || state.last_pushed) return;
    state.last_pushed = is_last(event);
    state.events.push_back(std::move(event));
    state.wake.cancel();
    if (!state.paused && !state.last_pushed && state.events.size() >= TokenStream::high_water) {
        state.paused = true;
        if (state.hooks.on_pause) state.hooks.on_pause(true);
    }
}

bool TokenStreamWriter::reader_gone() const { return state_->reader_gone; }
bool TokenStreamWriter::ended() const { return state_->last_pushed; }

}  // namespace weft
