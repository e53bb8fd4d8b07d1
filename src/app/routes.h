#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/anthropic/services.h"
#include "api/jobs/services.h"
#include "api/ollama/routes.h"
#include "api/openai/services.h"
#include "http/middleware.h"
#include "http/router.h"
#include "http/server_options.h"

namespace weft {

// All paths of the server in one place: health, then one dialect after the other.
[[nodiscard]] std::shared_ptr<const http::Router> make_router(api::ollama::Services& ollama,
                                                              const api::openai::Services& openai,
                                                              const api::anthropic::Services& anthropic,
                                                              const api::jobs::Services& jobs,
                                                              Registry& registry, const bool& draining,
                                                              std::function<std::string()> more_metrics);

// What is asked of every request before its handler sees it, in this order. Hosts and origins: besides the built-in ones.
[[nodiscard]] std::vector<http::Middleware> request_checks(bool bound_to_loopback, std::vector<std::string> extra_hosts,
                                                           std::vector<std::string> extra_origins);

// Errors that the transport finds, in the shape of the dialect that the path belongs to.
[[nodiscard]] http::ErrorFormatter error_formatter();

}  // namespace weft
