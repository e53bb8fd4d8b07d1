#include "api/caller.h"
#include "api/anthropic/errors.h"
#include "api/anthropic/handlers.h"
#include "api/anthropic/message_request.h"
#include "api/anthropic/message_stream.h"
#include "api/caller.h"
#include "api/reply_waiter.h"
#include "api/request_fields.h"

namespace weft::api::anthropic {
namespace asio = boost::asio;
namespace {

AnswerHead head_of(const Services& services, const MessageCall& call) {
    return {.id = services.new_id("msg_"),
            .model = call.request.model,
            .show_thinking = call.show_thinking,
            .max_tokens = static_cast<std::uint64_t>(call.request.overrides.max_tokens.value_or(0))};
}

StreamManners manners_of(const Services& services, std::string request_id, const MessageStreamWriter& writer) {
    return {.error_response = [request_id](const Error& error) { return error_response(error, request_id); },
            .error_event =
                [request_id](const Error& error) {
                    return "event: error\ndata: " + error_body(error, request_id) + "\n\n";
                },
            .keep_alive = [&writer] { return writer.keep_alive(); },
            .head_patience = services.head_patience,
            .keep_alive_interval = services.keep_alive_interval};
}

asio::awaitable<void> answer_streamed(http::Exchange& exchange, const Services& services, MessageCall call,
                                      AnswerHead head) {
    MessageStreamWriter writer(std::move(head));
    ReplyWaiter waiter(exchange, manners_of(services, exchange.request().id, writer));
    auto reply = co_await waiter.wait_for(services.chat.begin(std::move(call.request)));
    if (!reply) co_return co_await waiter.fail(std::move(reply).error());
    writer.use(std::move(reply->rules));
    const auto add = [&writer](GenerationEvent event, std::string& out) { writer.add(std::move(event), out); };
    if (co_await waiter.send_all(reply->events, add)) co_await exchange.finish_stream();
}

asio::awaitable<void> answer_whole(http::Exchange& exchange, const Services& services, MessageCall call,
                                   AnswerHead head) {
    MessageAnswer answer(std::move(head));
    auto reply = co_await wait_for_reply(exchange, services.chat.begin(std::move(call.request)));
    if (!reply) co_return co_await reply_error(exchange, std::move(reply).error());
    answer.use(std::move(reply->rules));
    const auto add = [&answer](GenerationEvent event) { answer.add(std::move(event)); };
    if (const auto all = co_await collect(exchange, reply->events, add); !all)
        co_return co_await reply_error(exchange, all.error());
    co_await reply_json(exchange, answer.body());
}

}  // namespace

Answered create_message(http::Exchange& exchange, const Services& services) {
    auto body = body_of(exchange.request());
    if (!body) co_return co_await reply_error(exchange, std::move(body).error());
    auto call = read_message_call(JsonReader(*body));
    if (!call) co_return co_await reply_error(exchange, std::move(call).error());
    if (auto caller = set_caller(exchange.request(), call->request.generate); !caller)
        co_return co_await reply_error(exchange, std::move(caller).error());
    if (auto caller = set_caller(exchange.request(), call->request.generate); !caller)
        co_return co_await reply_error(exchange, std::move(caller).error());
    const auto model = services.registry.find(call->request.model);
    if (!model) co_return co_await reply_error(exchange, model.error());
    settle_thinking(call->request.generate, **model);
    auto head = head_of(services, *call);
    if (call->stream)
        co_await answer_streamed(exchange, services, std::move(*call), std::move(head));
    else
        co_await answer_whole(exchange, services, std::move(*call), std::move(head));
}

}  // namespace weft::api::anthropic
