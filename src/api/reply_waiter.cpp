#include "api/reply_waiter.h"

#include <algorithm>

namespace weft::api {
namespace asio = boost::asio;
namespace {

asio::awaitable<void> send_head(http::Exchange& exchange) {
    co_await exchange.start_stream("text/event-stream", {{"cache-control", "no-cache"}, {"x-accel-buffering", "no"}});
}

}  // namespace

std::function<void(std::function<void()>)> leaving_of(http::Exchange& exchange) {
    return [&exchange](std::function<void()> then) { exchange.on_client_gone(std::move(then)); };
}

asio::awaitable<Result<Reply>> wait_for_reply(http::Exchange& exchange, Pending<Reply> pending) {
    const ClientWatch watch(exchange, [pending] { pending.cancel(); });
    co_return co_await pending.wait();
}

asio::awaitable<Result<void>> collect(http::Exchange& exchange, TokenStream& events,
                                      std::function<void(GenerationEvent event)> add) {
    const ClientWatch watch(exchange, [&events] { events.cancel(); });
    for (bool ended = false; !ended;) {
        auto event = co_await events.next();
        if (auto* error = std::get_if<Error>(&event)) co_return std::unexpected(std::move(*error));
        ended = is_last(event);
        add(std::move(event));
    }
    co_return Result<void>{};
}

ReplyWaiter::ReplyWaiter(http::Exchange& exchange, StreamManners manners)
    : exchange_(exchange),
      manners_(std::move(manners)),
      head_deadline_(std::chrono::steady_clock::now() + manners_.head_patience) {}

asio::awaitable<Result<Reply>> ReplyWaiter::wait_for(Pending<Reply> pending) {
    const ClientWatch watch(exchange_, [pending] { pending.cancel(); });
    for (;;) {
        if (auto reply = co_await pending.wait_within(patience())) co_return std::move(*reply);
        co_await show_life();
    }
}

asio::awaitable<GenerationEvent> ReplyWaiter::next(TokenStream& events) {
    for (;;) {
        if (auto event = co_await events.next_within(patience())) co_return std::move(*event);
        co_await show_life();
    }
}

asio::awaitable<bool> ReplyWaiter::write(std::string_view data) {
    if (!exchange_.started()) co_await send_head(exchange_);
    co_return co_await exchange_.write(data);
}

asio::awaitable<bool> ReplyWaiter::send_all(TokenStream& events, AddEvent add) {
    const ClientWatch watch(exchange_, [&events] { events.cancel(); });
    std::string out;
    for (bool ended = false; !ended;) {
        std::optional<GenerationEvent> event = co_await next(events);
        out.clear();
        for (; event; event = ended ? std::nullopt : events.try_next()) {
            ended = is_last(*event);
            if (auto* error = std::get_if<Error>(&*event)) {
                // What came before the error is worth sending only where a head is out already.
                if (exchange_.started() && !out.empty() && !co_await write(out)) co_return false;
                co_await fail(std::move(*error));
                co_return false;
            }
            add(std::move(*event), out);
        }
        if (!out.empty() && !co_await write(out)) co_return false;
    }
    co_return true;
}

asio::awaitable<void> ReplyWaiter::fail(Error error) {
    if (exchange_.client_gone()) co_return;
    if (!exchange_.started()) {
        co_await exchange_.reply(manners_.error_response(error));
        co_return;
    }
    co_await exchange_.write(manners_.error_event(error));
    // An orderly end: clients that lag behind throw away what they have not read of a transfer that breaks off.
    co_await exchange_.finish_stream();
}

std::chrono::milliseconds ReplyWaiter::patience() const {
    if (exchange_.started()) return manners_.keep_alive_interval;
    const auto left = head_deadline_ - std::chrono::steady_clock::now();
    return std::max(std::chrono::ceil<std::chrono::milliseconds>(left), std::chrono::milliseconds{0});
}

// A client that is gone is told by its callback, not by this write.
asio::awaitable<void> ReplyWaiter::show_life() { (void)co_await write(manners_.keep_alive()); }

}  // namespace weft::api
