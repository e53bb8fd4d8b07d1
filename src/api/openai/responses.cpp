#include "api/caller.h"
#include "api/openai/errors.h"
#include "api/openai/handlers.h"
#include "api/openai/request_fields.h"
#include "api/openai/response_request.h"
#include "api/openai/response_writer.h"
#include "services/pending.h"

namespace weft::api::openai {
namespace asio = boost::asio;
namespace {

constexpr std::string_view input_field = "input";

ResponseHead head_of(const Services& services, const ResponseCall& call) {
    return {.id = services.new_id("resp_"),
            .created = services.unix_time(),
            .echo = call.echo,
            .logprobs = call.request.generate.logprobs,
            .encrypted_reasoning = call.encrypted_reasoning,
            .custom_tools = call.custom_tools,
            .new_id = services.new_id,
            .unix_time = services.unix_time};
}

// A response that can be named by later requests.
class Keeper {
  public:
    Keeper(const Services& services, const ResponseCall& call, std::string id)
        : store_(call.store ? services.responses : nullptr),
          response_{.id = std::move(id), .json = {}, .tenant = call.request.generate.tenant, .previous_id = call.previous_id, .input = call.input} {}

    // Over when it is written down; one that cannot be is kept in memory alone.
    asio::awaitable<void> keep(const ResponseWriter& writer, asio::any_io_executor io) {
        if (!store_) co_return;
        response_.json = writer.object();
        response_.output = writer.output();
        const Pending<bool> kept(std::move(io));
        store_->put(std::move(response_), kept.setter());
        (void)co_await kept.wait();
    }

  private:
    std::shared_ptr<ResponseStore> store_;
    StoredResponse response_;
};

// A failure is an event with the response in it.
StreamManners manners_of(const Services& services, ResponseWriter& writer) {
    auto manners = stream_manners(services, input_field);
    manners.error_event = [&writer](const Error& error) {
        std::string out;
        writer.fail(error, out);
        return out;
    };
    return manners;
}

asio::awaitable<void> answer_streamed(http::Exchange& exchange, const Services& services, ResponseCall call,
                                      ResponseHead head) {
    Keeper keeper(services, call, head.id);
    ResponseWriter writer(std::move(head), true);
    ReplyWaiter waiter(exchange, manners_of(services, writer));
    auto reply = co_await waiter.wait_for(services.chat.begin(std::move(call.request)));
    if (!reply) co_return co_await waiter.fail(std::move(reply).error());
    writer.use(std::move(reply->rules));
    // Kept before the client can know that it is complete.
    std::string last;
    const auto add = [&](GenerationEvent event, std::string& out) {
        std::string text;
        writer.add(std::move(event), text);
        (writer.finished() ? last : out) += text;
    };
    if (!co_await waiter.send_all(reply->events, add)) co_return;
    co_await keeper.keep(writer, exchange.executor());
    if (co_await waiter.write(last)) co_await exchange.finish_stream();
}

asio::awaitable<void> answer_whole(http::Exchange& exchange, const Services& services, ResponseCall call,
                                   ResponseHead head) {
    Keeper keeper(services, call, head.id);
    ResponseWriter writer(std::move(head), false);
    auto reply = co_await wait_for_reply(exchange, services.chat.begin(std::move(call.request)));
    if (!reply) co_return co_await reply_error(exchange, services, blame_prompt(reply.error(), input_field));
    writer.use(std::move(reply->rules));
    const auto add = [&writer](GenerationEvent event) {
        std::string nothing;
        writer.add(std::move(event), nothing);
    };
    if (const auto all = co_await collect(exchange, reply->events, add); !all)
        co_return co_await reply_error(exchange, services, blame_prompt(all.error(), input_field));
    co_await keeper.keep(writer, exchange.executor());
    co_await reply_json(exchange, services, writer.object());
}

// The headers say who calls; what they say wins over the body.
Result<ResponseCall> read_call(const http::Request& request, const JsonReader& body, const Services& services) {
    GenerateRequest caller;
    WEFT_CHECK(set_caller(request, caller));
    WEFT_TRY(auto call, read_response_call(body, services, caller.tenant));
    WEFT_CHECK(set_caller(request, call.request.generate));
    return call;
}

}  // namespace

Answered create_response(http::Exchange& exchange, const Services& services) {
    auto body = body_of(exchange.request());
    if (!body) co_return co_await reply_error(exchange, services, std::move(body).error());
    auto call = read_call(exchange.request(), JsonReader(*body), services);
    if (!call) co_return co_await reply_error(exchange, services, std::move(call).error());
    const auto model = find_model(services, call->request.model);
    if (!model) co_return co_await reply_error(exchange, services, model.error());
    settle_thinking(call->request.generate, **model);
    auto head = head_of(services, *call);
    if (call->stream)
        co_await answer_streamed(exchange, services, std::move(*call), std::move(head));
    else
        co_await answer_whole(exchange, services, std::move(*call), std::move(head));
}

Answered count_response_input(http::Exchange& exchange, const Services& services) {
    auto body = body_of(exchange.request());
    if (!body) co_return co_await reply_error(exchange, services, std::move(body).error());
    auto call = read_call(exchange.request(), JsonReader(*body), services);
    if (!call) co_return co_await reply_error(exchange, services, std::move(call).error());
    const auto model = find_model(services, call->request.model);
    if (!model) co_return co_await reply_error(exchange, services, model.error());
    settle_thinking(call->request.generate, **model);
    const auto tokens = co_await services.chat.count_prompt_tokens(std::move(call->request));
    if (!tokens) co_return co_await reply_error(exchange, services, tokens.error());
    co_await reply_json(exchange, services,
                        R"({"object":"response.input_tokens","input_tokens":)" + std::to_string(*tokens) + "}");
}

}  // namespace weft::api::openai
