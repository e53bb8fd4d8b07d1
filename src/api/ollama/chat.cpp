#include "api/ollama/chat_request.h"
#include "api/ollama/errors.h"
#include "api/ollama/handlers.h"

namespace weft::api::ollama {
namespace asio = boost::asio;
namespace {

Result<ChatBody> chat_body_in(const http::Request& request) {
    WEFT_TRY(const auto json, body_of(request));
    WEFT_TRY(auto body, parse_chat(JsonReader(json)));
    if (body.fields.model.empty()) return fail_field(ErrorCode::missing_field, "model", "model is required");
    return body;
}

}  // namespace

asio::awaitable<void> handle_chat(http::Exchange& exchange, const Services& services) {
    const auto body = chat_body_in(exchange.request());
    if (!body) co_return co_await reply_error(exchange, body.error());
    co_await serve(exchange, services,
                   {.wording = Wording::chat,
                    .fields = body->fields,
                    .only_loads = body->only_loads(),
                    .generation_for = [&body](const ModelInfo& model) { return generation_of(*body, model); }});
}

}  // namespace weft::api::ollama
