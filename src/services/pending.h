#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "base/error.h"

namespace weft {

// A value that a callback will bring, for a coroutine that wants to wait for it, look at the clock in between, or leave.
// The callback side holds what setter() returned; when all copies of that are gone without a call, the waiter gets
// Error{shutting_down} instead of waiting for ever. Copies share the value. Thread: io.
template <typename T>
class Pending {
  public:
    explicit Pending(boost::asio::any_io_executor io) : state_(std::make_shared<State>(std::move(io))) {}

    // Takes the first value only, and none after cancel(): what comes too late is destroyed at once.
    [[nodiscard]] std::function<void(Result<T>)> setter() const {
        return [promise = std::make_shared<Promise>(state_)](Result<T> value) { promise->state->set(std::move(value)); };
    }

    // The value, once. One waiter at a time.
    [[nodiscard]] boost::asio::awaitable<Result<T>> wait() const {
        const auto state = state_;
        while (!state->value) co_await state->sleep_until(Clock::time_point::max());
        co_return state->take();
    }

    // The value, or nothing when it did not come within `patience`.
    [[nodiscard]] boost::asio::awaitable<std::optional<Result<T>>> wait_within(std::chrono::milliseconds patience) const {
        const auto state = state_;
        const auto deadline = Clock::now() + patience;
        while (!state->value && Clock::now() < deadline) co_await state->sleep_until(deadline);
        if (!state->value) co_return std::nullopt;
        co_return state->take();
    }

    // The waiter gets Error{cancelled}; a value that comes later is dropped.
    void cancel() const {
        state_->abandoned = true;
        state_->value = fail(ErrorCode::cancelled, "the request was cancelled");
        state_->wake.cancel();
    }

    [[nodiscard]] bool cancelled() const { return state_->abandoned; }
    // Asks whether a value that comes now is of no use: one came before, or nobody waits. Does not keep the value.
    [[nodiscard]] std::function<bool()> is_over() const {
        return [weak = std::weak_ptr(state_)] {
            const auto state = weak.lock();
            return !state || state->settled || state->abandoned;
        };
    }

  private:
    using Clock = std::chrono::steady_clock;

    struct State {
        explicit State(boost::asio::any_io_executor io) : wake(std::move(io), Clock::time_point::max()) {}

        void set(Result<T> arrived) {
            if (settled || abandoned) return;
            settled = true;
            value = std::move(arrived);
            wake.cancel();
        }

        Result<T> take() {
            Result<T> taken = std::move(*value);
            value.reset();
            return taken;
        }

        boost::asio::awaitable<void> sleep_until(Clock::time_point when) {
            wake.expires_at(when);
            boost::system::error_code ignored;
            co_await wake.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
        }

        boost::asio::steady_timer wake;
        std::optional<Result<T>> value;
        bool settled = false;
        bool abandoned = false;
    };

    struct Promise {
        explicit Promise(std::shared_ptr<State> s) : state(std::move(s)) {}
        Promise(const Promise&) = delete;
        Promise& operator=(const Promise&) = delete;
        ~Promise() { state->set(fail(ErrorCode::shutting_down, "the server is shutting down")); }
        std::shared_ptr<State> state;
    };

    std::shared_ptr<State> state_;
};

}  // namespace weft
