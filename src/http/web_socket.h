#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace weft::http {

inline constexpr std::size_t max_web_socket_message_bytes = 1 << 20;   // a longer one closes the socket with 1009
inline constexpr std::chrono::seconds web_socket_ping_interval{30};    // of silence; as much again without an answer ends it

// Status codes of RFC 6455, section 7.4.1.
enum class CloseCode : std::uint16_t { normal = 1000, going_away = 1001, not_text = 1003, policy = 1008, try_later = 1013 };

// A connection that speaks WebSocket, text messages only (binary ones close it with 1003). One coroutine may read while
// another one writes. Thread: io.
class WebSocket {
  public:
    virtual ~WebSocket() = default;

    // The next message; nothing when the socket is closed, by whichever side or reason.
    [[nodiscard]] virtual boost::asio::awaitable<std::optional<std::string>> read() = 0;
    // One writer at a time; text is UTF-8. False when the client is gone or takes nothing.
    [[nodiscard]] virtual boost::asio::awaitable<bool> write(std::string_view text) = 0;
    // Says why and waits for the client to agree, a few seconds at most. Not during a write.
    [[nodiscard]] virtual boost::asio::awaitable<void> close(CloseCode code, std::string_view reason) = 0;

    // Called when the server begins to drain (false) and when its time to do so is over (true): close with going_away.
    virtual void on_drain(std::function<void(bool last_call)> callback) = 0;
};

}  // namespace weft::http
