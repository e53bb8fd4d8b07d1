#include "api/ollama/service_request.h"

#include <algorithm>

namespace weft::api::ollama {
namespace {

constexpr SamplingParams default_sampling() {
    return {.temperature = 0.8F, .top_k = 40, .top_p = 0.9F, .repeat_penalty = 1.0F, .repeat_last_n = 64};
}

constexpr std::uint32_t default_keep_tokens = 4;
constexpr std::uint32_t max_repeats = 30;
// An answer without any other limit ends after this many windows, so that a model that never stops does.
constexpr std::uint64_t max_windows_per_answer = 10;
// When neither request, model nor server names a window.
constexpr std::uint32_t unnamed_window = 4096;

// The window as far as it is known before the model is loaded.
std::uint32_t expected_window(const Generation& generation, const ModelInfo& model, std::uint32_t otherwise) {
    std::uint32_t window = model.context_tokens != 0 ? model.context_tokens : otherwise;
    if (generation.fields.options.context_tokens) window = *generation.fields.options.context_tokens;
    if (window == 0) window = unnamed_window;
    return model.trained_context != 0 ? std::min(window, model.trained_context) : window;
}

bool has_unlimited_num_predict(const ModelInfo& model) {
    return std::ranges::any_of(model.parameters_text, [](const auto& parameter) {
        return parameter.first == "num_predict" && parameter.second.starts_with('-');
    });
}

}  // namespace

void set_thinking(ChatPrompt& prompt, const ThinkSetting& think, const ModelInfo& model) {
    if (!model.can("thinking")) return;
    prompt.thinking = think.on.value_or(true);
    if (think.level.empty()) return;
    const std::string_view effort = think.level == "max" ? "high" : std::string_view(think.level);
    prompt.template_variables_json = "{\"reasoning_effort\":\"" + std::string(effort) + "\"}";
}

ChatRequest to_chat_request(const Generation& generation, const ModelInfo& model,
                            std::uint32_t default_context_tokens) {
    const auto& fields = generation.fields;
    ChatRequest request{.model = fields.model,
                        .generate = {.prompt = generation.prompt,
                                     .context_before = generation.context_before,
                                     .sampling = default_sampling(),
                                     .format = fields.format,
                                     .format_definition = fields.format_schema,
                                     .logprobs = fields.logprobs,
                                     .top_logprobs = fields.logprobs ? fields.top_logprobs : 0,
                                     .shift = fields.shift,
                                     .keep_tokens = default_keep_tokens,
                                     .want_prompt_tokens = generation.answers_context},
                        .overrides = fields.options,
                        .keep_alive = fields.keep_alive};
    // A conversation loses old messages first; tokens are cut only if the window may move on anyway.
    request.generate.truncate = fields.truncate && fields.shift;

    if (std::holds_alternative<ChatPrompt>(generation.prompt)) request.generate.max_repeats = max_repeats;

    const auto window = expected_window(generation, model, default_context_tokens);
    const auto most = static_cast<std::uint32_t>(std::min<std::uint64_t>(max_windows_per_answer * window, UINT32_MAX));
    request.generate.max_tokens = most;
    auto& asked = request.overrides.max_tokens;
    if (asked ? *asked < 0 : has_unlimited_num_predict(model)) asked = most;
    return request;
}

}  // namespace weft::api::ollama
