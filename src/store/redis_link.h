#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "store/redis_address.h"
#include "store/redis_value.h"

namespace weft {

// The connection to a Redis server: made again whenever it breaks, and used only after the server was found fit to keep
// jobs (redis_check.h). Commands take effect in the order of their calls. Thread: io.
class RedisLink {
  public:
    using Answer = std::function<void(Result<RedisValue>)>;
    struct Events {
        std::function<void()> up{};                           // ready, for the first time or again
        std::function<void(const Error& why)> down{};         // was ready, or could not be reached, or is not fit
        std::function<void(std::string_view message)> news{}; // on the channel
    };
    struct Plan {
        RedisAddress address;
        std::string purpose{};  // for the log
        std::string library{};  // of functions, given to the server before it is used; empty: none
        std::string opening{};  // of those, the one that is called then; it answers OK
        // To listen on; empty: none. Servers close a connection that listens when its answers pile up beyond a few MB.
        std::string channel{};
    };

    static constexpr std::size_t max_calls = 65'536;              // under way; one more is overloaded
    static constexpr std::size_t max_call_bytes = 512ULL << 20;   // of all of them; likewise
    static constexpr std::size_t max_answer_bytes = 512ULL << 20;

    RedisLink(boost::asio::any_io_executor io, Plan plan, Events events);
    // Nobody is called any more.
    ~RedisLink();
    RedisLink(const RedisLink&) = delete;
    RedisLink& operator=(const RedisLink&) = delete;

    // One command. Not ready: overloaded. The connection broke before the answer came: overloaded, too, and nobody knows
    // whether the command was carried out. storage_full: the server's memory is full.
    void call(std::vector<std::string> command, Answer done);

    [[nodiscard]] bool up() const;
    [[nodiscard]] std::chrono::milliseconds up_for() const;

  private:
    class Connection;
    std::shared_ptr<Connection> connection_;
};

// Connects once, and says what a RedisLink would say. Blocks. timeout: the server cannot be reached, with the reason as
// detail; anything else: it must not be used. Thread: any without an event loop of its own.
[[nodiscard]] Result<void> try_redis(const RedisLink::Plan& plan, std::chrono::milliseconds patience);

}  // namespace weft
