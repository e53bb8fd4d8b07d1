#include "api/caller.h"
#include "api/ollama/generation_answer.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "api/ollama/errors.h"
#include "api/ollama/reply_reader.h"
#include "api/ollama/reply_writer.h"
#include "api/ollama/service_request.h"

namespace weft::api::ollama {
namespace asio = boost::asio;
namespace {

// Of an answer that is collected instead of streamed.
constexpr std::size_t max_collected_bytes = 64UL << 20U;
// Of a last line's `context`, so that the line stays below the 8,000,000 bytes that clients read.
constexpr std::size_t max_answered_context_tokens = 700'000;

std::uint64_t at_least_one(std::uint64_t duration_ns) { return std::max<std::uint64_t>(duration_ns, 1); }

std::uint64_t nanoseconds(std::chrono::nanoseconds duration) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0));
}

// Loading ends when the request's first token is planned: until then it waited for the model or for a slot.
Metrics metrics_of(const GenerationDone& done, std::chrono::nanoseconds passed, const RunnerLease& lease) {
    return {.total_ns = at_least_one(nanoseconds(passed)),
            .load_ns = at_least_one(nanoseconds(lease.load_duration()) + done.timings.queue_ns),
            .prompt_tokens = done.prompt_tokens,
            .prompt_ns = at_least_one(done.timings.prefill_ns),
            .answer_tokens = done.completion_tokens,
            .answer_ns = done.completion_tokens == 0 ? 0 : at_least_one(done.timings.decode_ns),
            .truncated = done.truncated};
}

std::string_view name_of(FinishReason reason) { return reason == FinishReason::length ? "length" : "stop"; }

std::vector<Token> context_of(ReplyReader& reader) {
    auto tokens = reader.take_tokens();
    if (tokens.size() > max_answered_context_tokens) tokens.clear();
    return tokens;
}

// Cancels whatever is waited for when the client leaves.
template <typename Cancellable>
class CancelWhenClientLeaves {
  public:
    CancelWhenClientLeaves(http::Exchange& exchange, Cancellable& waited_for) : exchange_(exchange) {
        exchange_.on_client_gone([&waited_for] { waited_for.cancel(); });
    }
    CancelWhenClientLeaves(const CancelWhenClientLeaves&) = delete;
    CancelWhenClientLeaves& operator=(const CancelWhenClientLeaves&) = delete;
    ~CancelWhenClientLeaves() { exchange_.on_client_gone({}); }

  private:
    http::Exchange& exchange_;
};

asio::awaitable<Result<Reply>> begin(http::Exchange& exchange, const Services& services, ChatRequest request) {
    if (auto caller = set_caller(exchange.request(), request.generate); !caller) co_return std::unexpected(caller.error());
    auto pending = services.chat.begin(std::move(request));
    const CancelWhenClientLeaves guard(exchange, pending);
    co_return co_await pending.wait();
}

// Thinking and answer are lines of their own; logprobs go with the first of them.
void append_lines(std::string& out, ReplyWriter& writer, const ReplyBatch& batch) {
    const bool thinks = !batch.thinking.empty();
    if (thinks) writer.append_line(out, ReplyWriter::Thinking::yes, batch.thinking, batch.logprobs);
    const bool only_logprobs = !thinks && batch.tool_calls.empty() && !batch.logprobs.empty();
    if (!batch.content.empty() || only_logprobs)
        writer.append_line(out, ReplyWriter::Thinking::no, batch.content,
                           thinks ? std::vector<TokenLogprob>{} : batch.logprobs);
    if (!batch.tool_calls.empty()) {
        const bool told = thinks || !batch.content.empty();
        writer.append_calls(out, batch.tool_calls, told ? std::vector<TokenLogprob>{} : batch.logprobs);
    }
}

// What a reader of one reply works with.
struct Answering {
    http::Exchange& exchange;
    const Clock& clock;
    Reply& reply;
    ReplyReader reader;
    ReplyWriter writer;
    bool shows_thinking;
    bool answers_context;
};

void put_end(LastObject& last, Answering& a, const GenerationDone& done) {
    last.done_reason = name_of(a.reader.finish_reason());
    last.metrics = metrics_of(done, a.clock.now() - a.exchange.request().received_at, a.reply.lease);
    if (a.answers_context) last.context = context_of(a.reader);
}

std::string last_line(Answering& a, const GenerationDone& done) {
    LastObject last;
    put_end(last, a, done);
    return a.writer.last_object(std::move(last)) + "\n";
}

// The head of the answer waits for the first line, so that an error before it still has a status of its own.
asio::awaitable<void> stream_lines(Answering& a) {
    std::string lines;
    for (bool more = true; more;) {
        auto batch = co_await a.reader.next();
        more = !batch.last();
        if (batch.error && !a.exchange.started()) co_return co_await reply_error(a.exchange, std::move(*batch.error));
        if (!a.shows_thinking) batch.thinking.clear();
        lines.clear();
        append_lines(lines, a.writer, batch);
        if (batch.error) lines += error_line(*batch.error);
        if (batch.done) lines += last_line(a, *batch.done);
        if (lines.empty()) continue;
        if (!a.exchange.started()) co_await a.exchange.start_stream("application/x-ndjson");
        if (!co_await a.exchange.write(lines)) co_return;
    }
    co_await a.exchange.finish_stream();
}

std::size_t bytes_of(const ReplyBatch& batch) {
    std::size_t bytes = batch.thinking.size() + batch.content.size();
    for (const auto& call : batch.tool_calls) bytes += call.name.size() + call.arguments.size();
    for (const auto& logprob : batch.logprobs) bytes += (1 + logprob.top.size()) * sizeof(TokenAlternative);
    return bytes;
}

void append(LastObject& whole, ReplyBatch& batch) {
    whole.text += batch.content;
    whole.thinking += batch.thinking;
    std::ranges::move(batch.tool_calls, std::back_inserter(whole.tool_calls));
    std::ranges::move(batch.logprobs, std::back_inserter(whole.logprobs));
}

asio::awaitable<void> reply_whole(Answering& a) {
    LastObject whole;
    std::size_t bytes = 0;
    for (;;) {
        auto batch = co_await a.reader.next();
        if (!a.shows_thinking) batch.thinking.clear();
        bytes += bytes_of(batch);
        if (bytes > max_collected_bytes)
            batch.error = {.code = ErrorCode::too_large, .message = "the answer is too long for one object: stream it"};
        if (batch.error) co_return co_await reply_error(a.exchange, std::move(*batch.error));
        append(whole, batch);
        if (!batch.done) continue;
        put_end(whole, a, *batch.done);
        co_return co_await a.exchange.reply({.body = a.writer.last_object(std::move(whole))});
    }
}

}  // namespace

asio::awaitable<void> answer_generation(http::Exchange& exchange, const Services& services, Generation generation,
                                        std::shared_ptr<const ModelInfo> model) {
    const auto& fields = generation.fields;
    auto reply = co_await begin(exchange, services,
                                to_chat_request(generation, *model, services.default_context_tokens));
    if (!reply) co_return co_await reply_error(exchange, std::move(reply).error());
    const CancelWhenClientLeaves guard(exchange, reply->events);
    Answering answering{.exchange = exchange,
                        .clock = services.clock,
                        .reply = *reply,
                        .reader = ReplyReader(*reply),
                        .writer = ReplyWriter(generation.wording, fields.model, services.wall_clock),
                        .shows_thinking = fields.think.on.value_or(true),
                        .answers_context = generation.answers_context};
    if (fields.stream) co_await stream_lines(answering);
    else co_await reply_whole(answering);
}

}  // namespace weft::api::ollama
