#include "app/routes.h"

#include "api/anthropic/errors.h"
#include "api/anthropic/routes.h"
#include "api/jobs/errors.h"
#include "api/jobs/routes.h"
#include "api/ollama/errors.h"
#include "api/openai/errors.h"
#include "api/openai/routes.h"
#include "app/health.h"
#include "app/metrics.h"

namespace weft {
namespace {

bool speaks_jobs(std::string_view path) { return path == "/api/v1" || path.starts_with("/api/v1/"); }
bool speaks_openai(std::string_view path) { return path == "/v1" || path.starts_with("/v1/"); }

// Two dialects have these paths; a header tells their clients apart.
http::Handler for_either(http::Handler openai, http::Handler anthropic) {
    return [openai = std::move(openai), anthropic = std::move(anthropic)](http::Exchange& exchange) {
        return api::anthropic::wants_anthropic(exchange.request()) ? anthropic(exchange) : openai(exchange);
    };
}

}  // namespace

std::shared_ptr<const http::Router> make_router(api::ollama::Services& ollama, const api::openai::Services& openai,
                                                const api::anthropic::Services& anthropic, const api::jobs::Services& jobs,
                                                Registry& registry, const bool& draining, std::function<std::string()> more_metrics) {
    auto router = std::make_shared<http::Router>();
    add_health_routes(*router, registry, draining);
    add_metrics_routes(*router, registry, std::move(more_metrics));
    api::ollama::add_routes(*router, ollama);
    router->add("GET", "/v1/models", for_either(api::openai::list_models_handler(openai), api::anthropic::list_models_handler(anthropic)));
    router->add("GET", "/v1/models/*id", for_either(api::openai::show_model_handler(openai), api::anthropic::show_model_handler(anthropic)));
    api::openai::add_routes(*router, openai);
    api::anthropic::add_routes(*router, anthropic);
    api::jobs::add_routes(*router, jobs);
    return router;
}

std::vector<http::Middleware> request_checks(bool bound_to_loopback, std::vector<std::string> extra_hosts,
                                             std::vector<std::string> extra_origins) {
    return {
        // A web page that rebinds its name to 127.0.0.1 still sends its own name.
        http::check_host({.bound_to_loopback = bound_to_loopback, .extra_hosts = std::move(extra_hosts)}),
        // Other people's web pages must not use the models of whoever looks at them.
        http::apply_cors({.extra_origins = std::move(extra_origins)}),
    };
}

http::ErrorFormatter error_formatter() {
    return [](const http::Request& request, int status, std::string_view code_word, std::string message) {
        if (api::anthropic::speaks_anthropic(request)) return api::anthropic::transport_error(status, request);
        if (speaks_openai(request.path)) return api::openai::transport_error(status, request.method, request.path);
        if (speaks_jobs(request.path)) return api::jobs::transport_error(status, code_word, message);
        return api::ollama::format_transport_error(request, status, code_word, std::move(message));
    };
}

}  // namespace weft
