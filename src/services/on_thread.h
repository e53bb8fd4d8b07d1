#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <memory>
#include <utility>

#include "services/pending.h"

namespace weft {

// A failure of a library, or no memory, ends this piece of work and not the server.
template <typename T, typename Work>
Result<T> done_safely(Work& work) {
    try {
        return work();
    } catch (const std::exception& failure) {
        return std::unexpected(Error{.code = ErrorCode::internal, .message = "the server has failed on this request", .detail = failure.what()});
    }
}

// Does the work elsewhere and goes on, on io, with what came of it. The work must hold everything that it touches.
template <typename T, typename Work>
boost::asio::awaitable<Result<T>> on_thread(boost::asio::any_io_executor io, boost::asio::any_io_executor thread, Work work) {
    const Pending<T> pending(io);
    boost::asio::post(thread, [io, work = std::move(work), answer = pending.setter()]() mutable {
        auto result = std::make_shared<Result<T>>(done_safely<T>(work));
        boost::asio::post(io, [answer = std::move(answer), result] { answer(std::move(*result)); });
    });
    co_return co_await pending.wait();
}

}  // namespace weft
