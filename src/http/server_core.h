#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/middleware.h"
#include "http/router.h"
#include "http/server_options.h"

namespace weft::http {

class Connection;

// Counts a body that is in memory against the bound for all of them.
class BodyCharge {
  public:
    explicit BodyCharge(std::size_t& total) : total_(total) {}
    ~BodyCharge() { total_ -= charged_; }
    BodyCharge(const BodyCharge&) = delete;
    BodyCharge& operator=(const BodyCharge&) = delete;
    void set(std::size_t bytes) {
        total_ += bytes - charged_;
        charged_ = bytes;
    }

  private:
    std::size_t& total_;
    std::size_t charged_ = 0;
};

// What all connections of a server share. Kept alive by each of them. Thread: io.
struct ServerCore {
    ServerCore(const ServerOptions& limits, std::shared_ptr<const Router> routes, ErrorFormatter formatter,
               std::vector<Middleware> steps)
        : options(limits),
          router(std::move(routes)),
          format_error(std::move(formatter)),
          middleware(std::move(steps)) {}

    ServerOptions options;
    std::shared_ptr<const Router> router;
    ErrorFormatter format_error;
    std::vector<Middleware> middleware;

    // Each is kept alive by its own coroutine and leaves the list when it ends.
    std::list<Connection*> connections{};
    std::size_t refusing_connections = 0;  // of connections, those that only tell 503
    std::size_t buffered_body_bytes = 0;
    bool draining = false;
    // WebSockets, which never come to an end by themselves, by their wire: told that the server drains (false), and once
    // more that its time is over (true).
    std::map<const void*, std::function<void(bool last_call)>> web_sockets{};
    std::function<void()> when_empty{};  // draining has ended

    std::shared_ptr<std::vector<char>> read_scratch = std::make_shared<std::vector<char>>(64 * 1024);
    std::string write_scratch{};  // a reply being put together; empty between uses

    [[nodiscard]] std::string new_request_id();
    // The value of the Date header, renewed once a second.
    [[nodiscard]] std::string_view date();

  private:
    std::mt19937_64 random_{std::random_device{}()};
    std::int64_t date_second_ = -1;
    std::string date_{};
};

}  // namespace weft::http
