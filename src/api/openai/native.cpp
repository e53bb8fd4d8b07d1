// POST /completion and /infill as llama-server has them, for the editor plugins that were written for it.
#include "api/openai/completion_request.h"
#include "api/openai/errors.h"
#include "api/openai/handlers.h"
#include "api/openai/named_model.h"
#include "api/openai/native_answer.h"
#include "api/openai/request_fields.h"
#include "api/reply_waiter.h"

namespace weft::api::openai {
namespace {

constexpr std::size_t max_infill_files = 1024;

struct NativeCall {
    ChatRequest request;
    bool stream = false;
    std::string_view prompt_field = "prompt";
};

// llama-server's own defaults; its penalties look at the prompt as well.
SamplingParams native_sampling() { return {.temperature = 0.8F, .top_k = 40, .top_p = 0.95F, .min_p = 0.05F}; }

Result<NativeCall> read_completion(const Services& services, const Json& json) {
    WEFT_TRY(const auto model, named_or_only_model(services, JsonReader(json)["model"]));
    Json named = json;
    named["model"] = model;
    const JsonReader body(named);
    WEFT_TRY(auto call, read_completion_call(body));
    if (call.prompts.size() != 1) return body["prompt"].invalid("must be one prompt here; /v1/completions takes several");
    if (call.candidates != 1) return body["n"].invalid("must be 1 here; /v1/completions takes more");
    call.request.generate.prompt = std::move(call.prompts.front());
    return NativeCall{.request = std::move(call.request), .stream = call.stream.stream};
}

Result<std::vector<InfillFile>> read_files(const JsonReader& list) {
    std::vector<InfillFile> files;
    WEFT_TRY(const auto elements, list.array());
    if (!elements) return files;
    if (elements->size() > max_infill_files)
        return list.invalid("must have at most " + std::to_string(max_infill_files) + " files");
    for (const auto& element : *elements) {
        if (!element.is_object()) return element.wrong_type("an object");
        WEFT_TRY(auto name, element["filename"].string());
        WEFT_TRY(auto text, element["text"].string());
        if (!text) return element["text"].missing();
        files.push_back({.name = std::move(name).value_or("file"), .text = std::move(*text)});
    }
    return files;
}

Result<NativeCall> read_infill(const Services& services, const JsonReader& body) {
    NativeCall call;
    WEFT_TRY(call.request.model, named_or_only_model(services, body["model"]));
    const auto prefix = body["input_prefix"];
    const auto suffix = body["input_suffix"];
    WEFT_TRY(auto before, prefix.string());
    WEFT_TRY(auto after, suffix.string());
    WEFT_TRY(const auto begun, body["prompt"].string());
    if (!before && !after) return prefix.missing();
    InfillPrompt prompt{.prefix = std::move(before).value_or("") + begun.value_or(""), .suffix = std::move(after).value_or("")};
    WEFT_TRY(prompt.files, read_files(body["input_extra"]));
    WEFT_CHECK(read_sampling(body, call.request, 0));
    WEFT_TRY(const auto stream, read_stream_fields(body));
    WEFT_TRY(const auto n_probs, body["n_probs"].integer(0, max_top_logprobs));
    WEFT_CHECK(refuse_later_fields(body));
    auto& generate = call.request.generate;
    generate.prompt = std::move(prompt);
    generate.truncate = true;  // plugins send as much as they have
    generate.top_logprobs = static_cast<std::uint32_t>(n_probs.value_or(0));
    generate.logprobs = generate.top_logprobs > 0;
    call.stream = stream.stream;
    call.prompt_field = "input_prefix";
    return call;
}

Answered answer_streamed(http::Exchange& exchange, const Services& services, NativeCall call) {
    ReplyWaiter waiter(exchange, stream_manners(services, call.prompt_field));
    NativeAnswer answer(call.request.model, true);
    auto reply = co_await waiter.wait_for(services.chat.begin(std::move(call.request)));
    if (!reply) co_return co_await waiter.fail(std::move(reply).error());
    const auto add = [&answer](GenerationEvent event, std::string& out) { answer.add(std::move(event), out); };
    if (co_await waiter.send_all(reply->events, add)) co_await exchange.finish_stream();
}

Answered answer_whole(http::Exchange& exchange, const Services& services, NativeCall call) {
    NativeAnswer answer(call.request.model, false);
    auto reply = co_await wait_for_reply(exchange, services.chat.begin(std::move(call.request)));
    if (!reply) co_return co_await reply_error(exchange, services, blame_prompt(reply.error(), call.prompt_field));
    std::string nothing;
    const auto add = [&](GenerationEvent event) { answer.add(std::move(event), nothing); };
    if (const auto all = co_await collect(exchange, reply->events, add); !all)
        co_return co_await reply_error(exchange, services, blame_prompt(all.error(), call.prompt_field));
    co_await reply_json(exchange, services, answer.last_object());
}

Answered answer_call(http::Exchange& exchange, const Services& services, Result<NativeCall> call) {
    if (!call) co_return co_await reply_error(exchange, services, call.error());
    if (const auto model = find_model(services, call->request.model); !model)
        co_return co_await reply_error(exchange, services, model.error());
    call->request.generate.sampling = native_sampling();
    call->request.generate.want_prompt_tokens = true;  // the answer tells its tokens
    if (call->stream) co_await answer_streamed(exchange, services, std::move(*call));
    else co_await answer_whole(exchange, services, std::move(*call));
}

}  // namespace

Answered native_completion(http::Exchange& exchange, const Services& services) {
    const auto body = body_of(exchange.request());
    if (!body) co_return co_await reply_error(exchange, services, body.error());
    co_await answer_call(exchange, services, read_completion(services, *body));
}

Answered infill(http::Exchange& exchange, const Services& services) {
    const auto body = body_of(exchange.request());
    if (!body) co_return co_await reply_error(exchange, services, body.error());
    co_await answer_call(exchange, services, read_infill(services, JsonReader(*body)));
}

}  // namespace weft::api::openai
