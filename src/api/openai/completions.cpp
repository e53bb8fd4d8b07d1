#include <boost/asio/this_coro.hpp>
#include <deque>

#include "api/caller.h"
#include "api/openai/completion_answer.h"
#include "api/openai/completion_request.h"
#include "api/openai/errors.h"
#include "api/openai/handlers.h"
#include "api/reply_waiter.h"

namespace weft::api::openai {
namespace asio = boost::asio;
namespace {

constexpr std::string_view text_prompt_field = "prompt";
// Prompts of one request that are asked for ahead of the one being answered, so that they share batches.
constexpr std::size_t prompts_ahead = 8;

// Starts the generations of a request, a few at a time, and hands them out in order.
class PromptQueue {
  public:
    PromptQueue(const Services& services, const CompletionCall& call) : services_(services), call_(call) {}

    // Of the prompt that is next.
    [[nodiscard]] Pending<Reply> take() {
        while (started_ < call_.prompts.size() && waiting_.size() < prompts_ahead) start();
        auto first = std::move(waiting_.front());
        waiting_.pop_front();
        return first;
    }

  private:
    void start() {
        ChatRequest request = call_.request;
        request.generate.prompt = call_.prompts[started_++];
        waiting_.push_back(services_.chat.begin(std::move(request)));
    }

    const Services& services_;
    const CompletionCall& call_;
    std::size_t started_ = 0;
    std::deque<Pending<Reply>> waiting_;
};

// The text that a choice begins with.
asio::awaitable<Result<std::string>> echo_of(const Prompt& prompt, Runner& runner) {
    if (const auto* text = std::get_if<TextPrompt>(&prompt)) co_return text->text;
    if (const auto* infill = std::get_if<InfillPrompt>(&prompt)) co_return infill->prefix;
    const Pending<std::string> text(co_await asio::this_coro::executor);
    runner.detokenize(std::get<TokenPrompt>(prompt).tokens, text.setter());
    co_return co_await text.wait();
}

AnswerHead head_of(const Services& services, const CompletionCall& call) {
    return {.id = services.new_id("cmpl-"), .created = services.unix_time(), .model = call.request.model};
}

CompletionOptions options_of(const CompletionCall& call) {
    return {.choices = call.choices,
            .candidates = call.candidates,
            .logprobs = call.logprobs,
            .top_logprobs = call.request.generate.top_logprobs > 0,
            .include_usage = call.stream.include_usage};
}

asio::awaitable<void> answer_streamed(http::Exchange& exchange, const Services& services, CompletionCall call) {
    ReplyWaiter waiter(exchange, stream_manners(services, text_prompt_field));
    PromptQueue queue(services, call);
    std::optional<CompletionStreamWriter> writer;
    const auto add = [&writer](GenerationEvent event, std::string& out) { writer->add(std::move(event), out); };
    for (const auto& prompt : call.prompts) {
        auto reply = co_await waiter.wait_for(queue.take());
        if (!reply) co_return co_await waiter.fail(std::move(reply).error());
        Result<std::string> echo;
        if (call.echo) echo = co_await echo_of(prompt, *reply->lease);
        if (!echo) co_return co_await waiter.fail(std::move(echo).error());
        if (!writer) {
            auto head = head_of(services, call);
            head.fingerprint = fingerprint_of(reply->lease);
            writer.emplace(head, options_of(call));
        }
        writer->begin_prompt(std::move(*echo));
        if (!co_await waiter.send_all(reply->events, add)) co_return;
    }
    std::string out;
    writer->finish(out);
    if (co_await waiter.write(out)) co_await exchange.finish_stream();
}

asio::awaitable<void> answer_whole(http::Exchange& exchange, const Services& services, CompletionCall call) {
    PromptQueue queue(services, call);
    auto head = head_of(services, call);
    CompletionAnswer answer(options_of(call));
    const auto add = [&answer](GenerationEvent event) { answer.add(std::move(event)); };
    for (const auto& prompt : call.prompts) {
        auto reply = co_await wait_for_reply(exchange, queue.take());
        if (!reply) co_return co_await reply_error(exchange, services, blame_prompt(reply.error(), text_prompt_field));
        head.fingerprint = fingerprint_of(reply->lease);
        Result<std::string> echo;
        if (call.echo) echo = co_await echo_of(prompt, *reply->lease);
        if (!echo) co_return co_await reply_error(exchange, services, std::move(echo).error());
        answer.begin_prompt(std::move(*echo));
        if (const auto all = co_await collect(exchange, reply->events, add); !all)
            co_return co_await reply_error(exchange, services, blame_prompt(all.error(), text_prompt_field));
        answer.end_prompt();
    }
    co_await reply_json(exchange, services, answer.body(head));
}

}  // namespace

Answered completions(http::Exchange& exchange, const Services& services) {
    const auto body = body_of(exchange.request());
    if (!body) co_return co_await reply_error(exchange, services, body.error());
    auto call = read_completion_call(JsonReader(*body));
    if (!call) co_return co_await reply_error(exchange, services, call.error());
    if (auto caller = set_caller(exchange.request(), call->request.generate); !caller)
        co_return co_await reply_error(exchange, services, std::move(caller).error());
    if (const auto model = find_model(services, call->request.model); !model)
        co_return co_await reply_error(exchange, services, model.error());
    if (call->stream.stream)
        co_await answer_streamed(exchange, services, std::move(*call));
    else
        co_await answer_whole(exchange, services, std::move(*call));
}

}  // namespace weft::api::openai
