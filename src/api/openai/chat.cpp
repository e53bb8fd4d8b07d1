#include "api/openai/chat_request.h"
#include "api/openai/chat_response.h"
#include "api/openai/chat_stream.h"
#include "api/openai/handlers.h"
#include "api/openai/reply_waiter.h"

namespace weft::api::openai {
namespace asio = boost::asio;
namespace {

// An overflow names the field that the prompt came from.
Error about_messages(Error error) {
    if (error.code == ErrorCode::context_overflow && error.field.empty()) error.field = "messages";
    return error;
}

// Models that do not think ignore every wish about it.
ThinkingRule settle_thinking(ChatCall& call, const ModelInfo& model) {
    const bool thinks = model.can("thinking");
    if (!thinks) std::get<ChatPrompt>(call.request.generate.prompt).thinking.reset();
    return {.separate = call.separate_thinking, .model_thinks = thinks};
}

AnswerHead head_of(const Services& services, std::string model, const RunnerLease& lease) {
    return {.id = services.new_id("chatcmpl-"),
            .created = services.unix_time(),
            .model = std::move(model),
            .fingerprint = fingerprint_of(lease)};
}

asio::awaitable<void> answer_streamed(http::Exchange& exchange, const Services& services, ChatCall call,
                                      ThinkingRule thinking) {
    const ChatStreamWriter::Options options{.choices = call.request.generate.choices,
                                            .logprobs = call.request.generate.logprobs,
                                            .include_usage = call.stream.include_usage,
                                            .thinking = thinking};
    std::string model = call.request.model;
    ReplyWaiter waiter(exchange, services);
    auto reply = co_await waiter.wait_for(services.chat.begin(std::move(call.request)));
    if (!reply) co_return co_await waiter.fail(about_messages(std::move(reply).error()));
    auto& events = reply->events;
    const ClientWatch watch(exchange, [&events] { events.cancel(); });

    ChatStreamWriter writer(head_of(services, std::move(model), reply->lease), options);
    std::string out;
    for (bool ended = false; !ended;) {
        std::optional<GenerationEvent> event = co_await waiter.next(events);
        out.clear();
        // Everything that is there goes out in one write.
        for (; event; event = ended ? std::nullopt : events.try_next()) {
            if (auto* error = std::get_if<Error>(&*event)) {
                if (exchange.started() && !out.empty() && !co_await waiter.write(out)) co_return;
                co_return co_await waiter.fail(about_messages(std::move(*error)));
            }
            ended = is_last(*event);
            writer.add(std::move(*event), out);
        }
        if (!out.empty() && !co_await waiter.write(out)) co_return;
    }
    co_await exchange.finish_stream();
}

asio::awaitable<void> answer_whole(http::Exchange& exchange, const Services& services, ChatCall call,
                                   ThinkingRule thinking) {
    ChatAnswer answer({.choices = call.request.generate.choices,
                       .logprobs = call.request.generate.logprobs,
                       .thinking = thinking});
    std::string model = call.request.model;
    auto reply = co_await wait_for_reply(exchange, services.chat.begin(std::move(call.request)));
    if (!reply) co_return co_await reply_error(exchange, services, about_messages(std::move(reply).error()));
    auto& events = reply->events;
    const ClientWatch watch(exchange, [&events] { events.cancel(); });
    for (bool ended = false; !ended;) {
        auto event = co_await events.next();
        if (auto* error = std::get_if<Error>(&event))
            co_return co_await reply_error(exchange, services, about_messages(std::move(*error)));
        ended = is_last(event);
        answer.add(std::move(event));
    }
    co_await reply_json(exchange, services, answer.body(head_of(services, std::move(model), reply->lease)));
}

}  // namespace

Answered chat_completions(http::Exchange& exchange, const Services& services) {
    auto body = body_of(exchange.request());
    if (!body) co_return co_await reply_error(exchange, services, std::move(body).error());
    auto call = read_chat_call(JsonReader(*body));
    if (!call) co_return co_await reply_error(exchange, services, std::move(call).error());
    const auto model = services.registry.find(call->request.model);
    if (!model) co_return co_await reply_error(exchange, services, model.error());
    const auto thinking = settle_thinking(*call, **model);
    if (call->stream.stream) co_await answer_streamed(exchange, services, std::move(*call), thinking);
    else co_await answer_whole(exchange, services, std::move(*call), thinking);
}

}  // namespace weft::api::openai
