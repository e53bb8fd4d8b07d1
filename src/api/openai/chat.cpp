#include "api/caller.h"
#include "api/openai/chat_request.h"
#include "api/openai/chat_response.h"
#include "api/openai/chat_stream.h"
#include "api/openai/errors.h"
#include "api/openai/handlers.h"
#include "api/reply_waiter.h"

namespace weft::api::openai {
namespace asio = boost::asio;
namespace {

constexpr std::string_view messages_field = "messages";

ChatAnswerOptions options_of(const ChatCall& call) {
    return {.choices = call.request.generate.choices,
            .logprobs = call.request.generate.logprobs,
            .include_usage = call.stream.include_usage,
            .legacy_functions = call.legacy_functions};
}

AnswerHead head_of(const Services& services, std::string model, const RunnerLease& lease) {
    return {.id = services.new_id("chatcmpl-"),
            .created = services.unix_time(),
            .model = std::move(model),
            .fingerprint = fingerprint_of(lease)};
}

asio::awaitable<void> answer_streamed(http::Exchange& exchange, const Services& services, ChatCall call) {
    auto options = options_of(call);
    std::string model = call.request.model;
    ReplyWaiter waiter(exchange, stream_manners(services, messages_field));
    auto reply = co_await waiter.wait_for(services.chat.begin(std::move(call.request)));
    if (!reply) co_return co_await waiter.fail(std::move(reply).error());
    options.rules = reply->rules;
    options.rules.separate_thinking = call.separate_thinking;
    ChatStreamWriter writer(head_of(services, std::move(model), reply->lease), options);
    const auto add = [&writer](GenerationEvent event, std::string& out) { writer.add(std::move(event), out); };
    if (co_await waiter.send_all(reply->events, add)) co_await exchange.finish_stream();
}

asio::awaitable<void> answer_whole(http::Exchange& exchange, const Services& services, ChatCall call) {
    auto options = options_of(call);
    std::string model = call.request.model;
    auto reply = co_await wait_for_reply(exchange, services.chat.begin(std::move(call.request)));
    if (!reply) co_return co_await reply_error(exchange, services, blame_prompt(reply.error(), messages_field));
    options.rules = reply->rules;
    options.rules.separate_thinking = call.separate_thinking;
    ChatAnswer answer(std::move(options));
    const auto add = [&answer](GenerationEvent event) { answer.add(std::move(event)); };
    if (const auto all = co_await collect(exchange, reply->events, add); !all)
        co_return co_await reply_error(exchange, services, blame_prompt(all.error(), messages_field));
    co_await reply_json(exchange, services, answer.body(head_of(services, std::move(model), reply->lease)));
}

}  // namespace

Answered chat_completions(http::Exchange& exchange, const Services& services) {
    auto body = body_of(exchange.request());
    if (!body) co_return co_await reply_error(exchange, services, std::move(body).error());
    auto call = read_chat_call(JsonReader(*body));
    if (!call) co_return co_await reply_error(exchange, services, std::move(call).error());
    if (auto caller = set_caller(exchange.request(), call->request.generate); !caller)
        co_return co_await reply_error(exchange, services, std::move(caller).error());
    const auto model = find_model(services, call->request.model);
    if (!model) co_return co_await reply_error(exchange, services, model.error());
    settle_thinking(call->request.generate, **model);
    if (call->stream.stream)
        co_await answer_streamed(exchange, services, std::move(*call));
    else
        co_await answer_whole(exchange, services, std::move(*call));
}

}  // namespace weft::api::openai
