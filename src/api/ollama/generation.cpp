#include "api/ollama/generation.h"

#include <utility>

#include "api/ollama/errors.h"
#include "api/ollama/generation_answer.h"
#include "api/ollama/json_text.h"
#include "api/ollama/reply_writer.h"

namespace weft::api::ollama {
namespace asio = boost::asio;
namespace {

struct DebugInfo {
    std::string rendered_template;
    int image_count = 0;
};

struct DebugAnswer {
    std::string_view model;
    std::string created_at;
    DebugInfo _debug_info;
};

int image_count(const Prompt& prompt) {
    std::size_t count = 0;
    if (const auto* chat = std::get_if<ChatPrompt>(&prompt))
        for (const auto& message : chat->messages) count += message.images.size();
    return static_cast<int>(count);
}

asio::awaitable<void> reply_done(http::Exchange& exchange, const Services& services, const GenerationCall& call,
                                 std::string_view reason) {
    ReplyWriter writer(call.wording, call.fields.model, services.wall_clock);
    co_await exchange.reply({.body = writer.last_object({.done_reason = reason})});
}

asio::awaitable<Result<std::string>> render(const Services& services, Generation generation) {
    if (auto* text = std::get_if<TextPrompt>(&generation.prompt)) co_return std::move(text->text);
    auto* chat = std::get_if<ChatPrompt>(&generation.prompt);
    if (chat == nullptr) co_return fail(ErrorCode::not_implemented, "a prompt with a suffix cannot be shown as text yet");
    const auto lease = co_await services.chat.load(generation.fields.model, generation.fields.keep_alive,
                                                   generation.fields.options.context_tokens.value_or(0),
                                                   generation.fields.options.load);
    if (!lease) co_return std::unexpected(lease.error());
    const Pending<std::string> rendered(co_await asio::this_coro::executor);
    (*lease)->render(std::move(*chat), rendered.setter());
    co_return co_await rendered.wait();
}

asio::awaitable<void> answer_load(http::Exchange& exchange, const Services& services, GenerationCall call) {
    const auto lease = co_await services.chat.load(call.fields.model, call.fields.keep_alive,
                                                   call.fields.options.context_tokens.value_or(0),
                                                   call.fields.options.load);
    if (!lease) co_return co_await reply_error(exchange, lease.error());
    co_await reply_done(exchange, services, call, "load");
}

asio::awaitable<void> answer_unload(http::Exchange& exchange, const Services& services, GenerationCall call) {
    if (auto unloaded = services.registry.unload(call.fields.model); !unloaded)
        co_return co_await reply_error(exchange, std::move(unloaded).error());
    co_await reply_done(exchange, services, call, "unload");
}

asio::awaitable<void> answer_render(http::Exchange& exchange, const Services& services, Generation generation) {
    const std::string model = generation.fields.model;
    const int images = image_count(generation.prompt);
    auto text = co_await render(services, std::move(generation));
    if (!text) co_return co_await reply_error(exchange, std::move(text).error());
    co_await exchange.reply({.body = to_json(DebugAnswer{.model = model,
                                                         .created_at = rfc3339(services.wall_clock()),
                                                         ._debug_info = {.rendered_template = std::move(*text), .image_count = images}})});
}

}  // namespace

asio::awaitable<void> serve(http::Exchange& exchange, const Services& services, GenerationCall call) {
    const auto model = find_model(services.registry, call.fields.model, MissingModel::plain);
    if (!model) co_return co_await reply_error(exchange, model.error());
    if (call.only_loads && call.fields.unloads()) co_return co_await answer_unload(exchange, services, std::move(call));

    auto generation = call.generation_for(**model);
    if (!generation) co_return co_await reply_error(exchange, std::move(generation).error());
    if (call.only_loads) co_return co_await answer_load(exchange, services, std::move(call));
    if (call.fields.render_only) co_return co_await answer_render(exchange, services, std::move(*generation));
    co_await answer_generation(exchange, services, std::move(*generation), *model);
}

}  // namespace weft::api::ollama
