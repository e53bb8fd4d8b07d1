#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace weft {

// Where a Redis server is, and who we are there.
struct RedisAddress {
    bool tls = false;
    std::string host;
    std::uint16_t port = 6379;
    std::string user{};      // empty: the server's default user
    std::string password{};
    std::uint32_t database = 0;

    // "redis://host:6379/0", for logs: neither user nor password.
    [[nodiscard]] std::string text() const;
};

// redis://[[user]:password@]host[:port][/database], rediss:// with TLS; parts may be percent-encoded. The error says what
// it must be ("like redis://...; the host is missing") and never repeats the address, which may hold a password.
[[nodiscard]] Result<RedisAddress> parse_redis_address(std::string_view text);

}  // namespace weft
