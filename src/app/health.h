#pragma once

#include "http/router.h"
#include "registry/registry.h"

namespace weft {

// A step thread that has not been heard of for this long is taken for dead.
inline constexpr std::chrono::seconds heartbeat_patience{15};

// GET /health and /v1/health: the process answers. GET /livez: the same. GET /readyz: every loaded model's step thread has
// beaten within heartbeat_patience, none that was loaded is quarantined with no other one in its place, and the server is not
// draining; otherwise 503.
void add_health_routes(http::Router& router, Registry& registry, const bool& draining);

}  // namespace weft
