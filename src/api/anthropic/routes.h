#pragma once

#include "api/anthropic/services.h"
#include "http/router.h"

namespace weft::api::anthropic {

// /v1/messages and what is below it; the same under /v1/v1 for clients that were given a base URL with /v1. The services
// are copied; what they refer to outlives the router.
void add_routes(http::Router& router, const Services& services);

// Models have the same paths here and in OpenAI's API. What these handlers answer is for requests that
// wants_anthropic() says yes to.
[[nodiscard]] http::Handler list_models_handler(const Services& services);
[[nodiscard]] http::Handler show_model_handler(const Services& services);
[[nodiscard]] bool wants_anthropic(const http::Request& request);

// Whether the transport's own errors on that request have this dialect's shape.
[[nodiscard]] bool speaks_anthropic(const http::Request& request);

}  // namespace weft::api::anthropic
