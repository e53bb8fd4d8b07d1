#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "store/redis_value.h"

namespace weft {

// Whether a Redis server keeps what it has acknowledged. Each error names the setting, its value, and what it must be.

inline constexpr int oldest_redis = 7;

// The answer to INFO: a server that is new enough, the primary, no cluster, with an append-only file and without eviction.
// ErrorCode::overloaded: it reads its file still, ask again.
[[nodiscard]] Result<void> check_redis_info(std::string_view info);

// The names that CONFIG GET is asked for ...
inline constexpr std::string_view redis_settings[] = {"maxmemory-policy", "appendonly", "appendfsync", "no-appendfsync-on-rewrite"};
// ... and its answer, name after value after name.
[[nodiscard]] Result<void> check_redis_settings(const RedisValue& settings);

// Without the right to use CONFIG: whether a test write tells. Valkey's WAITAOF answers at once with appendfsync everysec, too.
[[nodiscard]] Result<void> check_redis_tells(std::string_view info);

// Where it does: each write was followed by WAITAOF 1 0 with a patience far below a second. A server
// that syncs once a second cannot have synced twice in a row by then.
inline constexpr int redis_sync_probes = 3;
inline constexpr int redis_sync_patience_ms = 100;
[[nodiscard]] Result<void> check_redis_sync(int synced_probes);

}  // namespace weft
