#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <utility>

#include "services/pending.h"

namespace weft {

// Does the work elsewhere and goes on, on io, with what came of it. The work must hold everything that it touches.
template <typename T, typename Work>
boost::asio::awaitable<Result<T>> on_thread(boost::asio::any_io_executor io, boost::asio::any_io_executor thread, Work work) {
    const Pending<T> pending(io);
    boost::asio::post(thread, [io, work = std::move(work), answer = pending.setter()]() mutable {
        auto result = std::make_shared<Result<T>>(work());
        boost::asio::post(io, [answer = std::move(answer), result] { answer(std::move(*result)); });
    });
    co_return co_await pending.wait();
}

}  // namespace weft
