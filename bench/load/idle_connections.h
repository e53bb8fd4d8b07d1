#pragma once

#include <cstdint>

#include "connection.h"
#include "options.h"

namespace weft::bench {

struct IdleResult {
    std::uint32_t asked = 0;
    std::uint32_t opened = 0;      // and answered one GET, or the handshake of a WebSocket
    std::uint32_t still_open = 0;  // after the hold: answered a second one, or a ping, on the same connection
    std::uint64_t rss_before_kib = 0;  // 0: no --server-pid
    std::uint64_t rss_open_kib = 0;
    double kib_per_connection = 0;
};

// Opens options.idle_connections connections, uses each once, holds them, uses each again.
[[nodiscard]] IdleResult hold_idle_connections(const Options& options, const Endpoint& server);

// Resident memory of a process; 0 when it cannot be read.
[[nodiscard]] std::uint64_t resident_kib(std::uint64_t pid);

}  // namespace weft::bench
