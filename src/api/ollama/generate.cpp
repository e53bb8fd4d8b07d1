#include "api/ollama/generate_request.h"
#include "api/ollama/errors.h"
#include "api/ollama/handlers.h"

namespace weft::api::ollama {
namespace asio = boost::asio;
namespace {

Result<GenerateBody> generate_body_in(const http::Request& request) {
    WEFT_TRY(const auto json, body_of(request));
    WEFT_TRY(auto body, parse_generate(JsonReader(json)));
    if (body.fields.model.empty()) return fail(ErrorCode::not_found, "model '' not found");
    return body;
}

}  // namespace

asio::awaitable<void> handle_generate(http::Exchange& exchange, const Services& services) {
    const auto body = generate_body_in(exchange.request());
    if (!body) co_return co_await reply_error(exchange, body.error());
    co_await serve(exchange, services,
                   {.wording = Wording::generate,
                    .fields = body->fields,
                    .only_loads = body->only_loads(),
                    .generation_for = [&body](const ModelInfo& model) { return generation_of(*body, model); }});
}

}  // namespace weft::api::ollama
