#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "http/server.h"
#include "raw_client.h"

namespace weft::http::test {

// A server on a free port of 127.0.0.1, its io thread, and verbs for both.
class TestServer {
  public:
    explicit TestServer(std::function<void(Router&)> add_routes, ServerOptions options = {},
                        std::vector<Middleware> middleware = {}, ErrorFormatter formatter = plain_error) {
        auto router = std::make_shared<Router>();
        add_routes(*router);
        server = std::make_unique<Server>(io, options, router, std::move(formatter), std::move(middleware));
        endpoint = server->listen("127.0.0.1", 0).value();
        thread_ = std::thread([this] { io.run(); });
    }
    ~TestServer() {
        on_io([this] { server.reset(); });
        guard_.reset();
        io.stop();
        thread_.join();
    }

    // Runs function on the io thread and waits for it.
    template <typename Function>
    std::invoke_result_t<Function> on_io(Function function) {
        using Value = std::invoke_result_t<Function>;
        std::packaged_task<Value()> task(std::move(function));
        std::future<Value> result = task.get_future();
        boost::asio::post(io, [task = std::move(task)]() mutable { task(); });
        return result.get();
    }
    [[nodiscard]] std::uint16_t port() const { return endpoint.port; }
    [[nodiscard]] std::size_t connections() {
        return on_io([this]() -> std::size_t { return server->connections(); });
    }

    boost::asio::io_context io{1};
    std::unique_ptr<Server> server;
    ListeningAddress endpoint;

  private:
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_ = boost::asio::make_work_guard(io);
    std::thread thread_;
};

// Waits until condition() holds; false after ten seconds.
template <typename Condition>
[[nodiscard]] bool eventually(Condition condition) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > give_up) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
}

}  // namespace weft::http::test
