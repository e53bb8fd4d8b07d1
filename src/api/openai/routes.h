#pragma once

#include "api/openai/services.h"
#include "http/router.h"

namespace weft::api::openai {

// Everything under /v1 that this server answers, the aliases without /v1 that clients use, and a 501 for what OpenAI
// has and this server has not. The services are copied; what they refer to outlives the router.
void add_routes(http::Router& router, const Services& services);

// The handlers of GET /v1/models and GET /v1/models/*id, for whoever shares these paths with another dialect: then they
// are added before add_routes().
[[nodiscard]] http::Handler list_models_handler(const Services& services);
[[nodiscard]] http::Handler show_model_handler(const Services& services);

}  // namespace weft::api::openai
