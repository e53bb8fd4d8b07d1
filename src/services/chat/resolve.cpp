#include <algorithm>
#include <glaze/json.hpp>
#include <limits>
#include <utility>

#include "services/chat/chat_service.h"

namespace weft {
namespace {

std::unexpected<Error> malformed(std::string_view name) {
    return fail(ErrorCode::model_load_failed,
                "the model's configured parameter '" + std::string(name) + "' has a value of the wrong type");
}

template <typename T>
Result<void> read_parameter(std::optional<T>& target, std::string_view name, const std::string& json) {
    T value{};
    if (glz::read_json(value, json)) return malformed(name);
    target = std::move(value);
    return {};
}

// Ollama's files write one stop string as a plain string, several as a list.
Result<void> read_stop(std::optional<std::vector<std::string>>& target, std::string_view name,
                       const std::string& json) {
    std::string one;
    if (!glz::read_json(one, json)) {
        if (!target) target.emplace();
        target->push_back(std::move(one));
        return {};
    }
    return read_parameter(target, name, json);
}

// Names that are not about generation (num_gpu, num_thread, ...) belong to whoever loads the model.
Result<void> read_named(SamplingOverrides& target, std::string_view name, const std::string& json) {
    if (name == "temperature") return read_parameter(target.temperature, name, json);
    if (name == "top_p") return read_parameter(target.top_p, name, json);
    if (name == "top_k") return read_parameter(target.top_k, name, json);
    if (name == "min_p") return read_parameter(target.min_p, name, json);
    if (name == "typical_p") return read_parameter(target.typical_p, name, json);
    if (name == "repeat_penalty") return read_parameter(target.repeat_penalty, name, json);
    if (name == "repeat_last_n") return read_parameter(target.repeat_last_n, name, json);
    if (name == "presence_penalty") return read_parameter(target.presence_penalty, name, json);
    if (name == "frequency_penalty") return read_parameter(target.frequency_penalty, name, json);
    if (name == "seed") return read_parameter(target.seed, name, json);
    if (name == "num_predict") return read_parameter(target.max_tokens, name, json);
    if (name == "num_ctx") return read_parameter(target.context_tokens, name, json);
    if (name == "num_keep") return read_parameter(target.keep_tokens, name, json);
    if (name == "stop") return read_stop(target.stop, name, json);
    return {};
}

template <typename T, typename U>
void put(T& target, const std::optional<U>& value) {
    if (value) target = static_cast<T>(*value);
}

void put_seed(std::optional<std::uint32_t>& target, std::optional<std::int64_t> seed) {
    if (!seed) return;
    target = *seed < 0 ? std::nullopt : std::optional(static_cast<std::uint32_t>(*seed));
}

void put_max_tokens(std::optional<std::uint32_t>& target, std::optional<std::int64_t> limit) {
    if (!limit) return;
    constexpr std::int64_t most = std::numeric_limits<std::uint32_t>::max();
    target = *limit < 0 ? std::nullopt : std::optional(static_cast<std::uint32_t>(std::min(*limit, most)));
}

void put_all(GenerateRequest& target, const SamplingOverrides& values) {
    auto& sampling = target.sampling;
    put(sampling.temperature, values.temperature);
    put(sampling.top_k, values.top_k);
    put(sampling.top_p, values.top_p);
    put(sampling.min_p, values.min_p);
    put(sampling.typical_p, values.typical_p);
    put(sampling.repeat_penalty, values.repeat_penalty);
    put(sampling.repeat_last_n, values.repeat_last_n);
    put(sampling.presence_penalty, values.presence_penalty);
    put(sampling.frequency_penalty, values.frequency_penalty);
    put_seed(sampling.seed, values.seed);
    put_max_tokens(target.max_tokens, values.max_tokens);
    put(target.context_tokens, values.context_tokens);
    put(target.keep_tokens, values.keep_tokens);
    if (values.stop) target.stop = *values.stop;
    if (!values.logit_bias.empty()) sampling.logit_bias = values.logit_bias;
}

void add_system_message(ChatPrompt& prompt, const std::string& system) {
    const bool has_one = std::ranges::any_of(prompt.messages, [](const auto& m) { return m.role == "system"; });
    if (system.empty() || has_one) return;
    prompt.messages.insert(prompt.messages.begin(), ChatMessage{.role = "system", .content = system});
}

// Engines see no empty stop strings and at most as many as they promise to look for.
void tidy_stop(std::vector<std::string>& stop) {
    std::erase_if(stop, [](const std::string& s) { return s.empty() || s.size() > max_stop_string_bytes; });
    if (stop.size() > max_stop_strings) stop.resize(max_stop_strings);
}

}  // namespace

Result<GenerateRequest> resolve(const ChatRequest& request, const ModelInfo& model) {
    SamplingOverrides configured;
    for (const auto& [name, json] : model.parameters_text) WEFT_CHECK(read_named(configured, name, json));
    GenerateRequest generate = request.generate;
    put_all(generate, configured);
    put_all(generate, request.overrides);
    tidy_stop(generate.stop);
    if (auto* chat = std::get_if<ChatPrompt>(&generate.prompt)) add_system_message(*chat, model.system);
    return generate;
}

}  // namespace weft
