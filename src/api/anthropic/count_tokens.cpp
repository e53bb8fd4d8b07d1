#include "api/anthropic/handlers.h"
#include "api/anthropic/message_request.h"
#include "api/request_fields.h"

namespace weft::api::anthropic {

Answered count_tokens(http::Exchange& exchange, const Services& services) {
    auto body = body_of(exchange.request());
    if (!body) co_return co_await reply_error(exchange, std::move(body).error());
    auto call = read_count_call(JsonReader(*body));
    if (!call) co_return co_await reply_error(exchange, std::move(call).error());
    const auto model = services.registry.find(call->request.model);
    if (!model) co_return co_await reply_error(exchange, model.error());
    settle_thinking(call->request.generate, **model);
    const auto tokens = co_await services.chat.count_prompt_tokens(std::move(call->request));
    if (!tokens) co_return co_await reply_error(exchange, tokens.error());
    co_await reply_json(exchange, R"({"input_tokens":)" + std::to_string(*tokens) + "}");
}

}  // namespace weft::api::anthropic
