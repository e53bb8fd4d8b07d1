#include "app/routes.h"

#include "api/ollama/errors.h"
#include "api/openai/errors.h"
#include "api/openai/routes.h"
#include "app/health.h"

namespace weft {
namespace {

bool speaks_openai(std::string_view path) { return path == "/v1" || path.starts_with("/v1/"); }

}  // namespace

std::shared_ptr<const http::Router> make_router(api::ollama::Services& ollama, const api::openai::Services& openai,
                                                Registry& registry, const bool& draining) {
    auto router = std::make_shared<http::Router>();
    add_health_routes(*router, registry, draining);
    api::ollama::add_routes(*router, ollama);
    api::openai::add_routes(*router, openai);
    return router;
}

http::ErrorFormatter error_formatter() {
    return [](const http::Request& request, int status, std::string_view code_word, std::string message) {
        if (speaks_openai(request.path)) return api::openai::transport_error(status, request.method, request.path);
        return api::ollama::format_transport_error(request, status, code_word, std::move(message));
    };
}

}  // namespace weft
