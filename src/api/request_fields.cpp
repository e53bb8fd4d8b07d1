#include "api/request_fields.h"

#include <charconv>
#include <limits>

#include "registry/keep_alive.h"

namespace weft::api {
namespace {

constexpr std::int64_t int32_min = std::numeric_limits<std::int32_t>::min();
constexpr std::int64_t int32_max = std::numeric_limits<std::int32_t>::max();

Result<void> read_float(std::optional<float>& target, const JsonReader& value, double minimum, double maximum) {
    WEFT_TRY(const auto number, value.number(minimum, maximum));
    if (number) target = static_cast<float>(*number);
    return {};
}

template <typename T>
Result<void> read_integer(std::optional<T>& target, const JsonReader& value, std::int64_t minimum,
                          std::int64_t maximum) {
    WEFT_TRY(const auto number, value.integer(minimum, maximum));
    if (number) target = static_cast<T>(*number);
    return {};
}

Result<void> read_repeat_penalty(std::optional<float>& target, const JsonReader& value) {
    WEFT_CHECK(read_float(target, value, 0, 1e6));
    if (target && *target <= 0) return value.invalid("must be greater than 0", ErrorReason::decimal_below_minimum);
    return {};
}

Result<void> read_logit_bias(std::vector<LogitBias>& target, const JsonReader& value) {
    WEFT_TRY(const auto members, value.object());
    if (!members) return {};
    for (const auto& [key, bias] : *members) {
        Token token = 0;
        const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token);
        if (error != std::errc{} || end != key.data() + key.size() || token < 0)
            return value.invalid("must have decimal token ids as keys, not \"" + key + "\"");
        WEFT_TRY(const auto number, bias.number(-100, 100));
        if (number) target.push_back({.token = token, .bias = static_cast<float>(*number)});
    }
    return {};
}

}  // namespace

JsonReader pick(const JsonReader& body, std::initializer_list<std::string_view> names) {
    if (const auto value = body.first_of(names); !value.absent()) return value;
    if (const auto option = body["options"].first_of(names); !option.absent()) return option;
    return body.first_of(names);
}

Result<void> check_options(const JsonReader& options) {
    WEFT_CHECK(options.object());
    for (const std::string_view name : {"temperature", "top_p", "min_p", "typical_p", "frequency_penalty", "presence_penalty", "repeat_penalty"})
        WEFT_CHECK(options[name].number());
    for (const std::string_view name : {"top_k", "repeat_last_n", "seed", "num_ctx", "num_keep", "num_predict", "num_gpu", "num_thread", "num_batch"})
        WEFT_CHECK(options[name].integer());
    for (const std::string_view name : {"ignore_eos", "use_mmap"}) WEFT_CHECK(options[name].boolean());
    std::optional<std::vector<std::string>> stop;
    return read_stop(stop, options["stop"]);
}

Result<void> read_stop(std::optional<std::vector<std::string>>& target, const JsonReader& value) {
    if (value.absent()) return {};
    if (!value.is_string() && !value.is_array()) return value.wrong_type("a string or an array of strings");
    std::vector<std::string> stop;
    if (value.is_string()) stop.push_back(value.json().get<std::string>());
    WEFT_TRY(const auto list, value.is_array() ? value.array() : Result<std::optional<std::vector<JsonReader>>>{});
    if (list && list->size() > max_stop_strings)
        return value.invalid("must have at most " + std::to_string(max_stop_strings) + " stop sequences");
    for (const auto& element : list.value_or(std::vector<JsonReader>{})) {
        WEFT_TRY(auto text, element.string());
        if (!text) return element.wrong_type("a string");
        stop.push_back(std::move(*text));
    }
    for (const auto& text : stop)
        if (text.size() > max_stop_string_bytes)
            return value.invalid("has a stop sequence of more than " + std::to_string(max_stop_string_bytes) +
                                 " bytes");
    target = std::move(stop);
    return {};
}

Result<Json> body_of(const http::Request& request) {
    WEFT_TRY(auto body, parse_json(request.body));
    if (!body.is_object())
        return fail_field(ErrorCode::invalid_request, "", "The request body must be a JSON object.",
                          ErrorReason::wrong_type);
    return body;
}

Result<std::string> read_model(const JsonReader& body) {
    const auto field = body["model"];
    WEFT_TRY(auto name, field.string());
    if (!name || name->empty()) return field.missing();
    if (name->size() > max_model_name_characters)
        return field.invalid("must have at most " + std::to_string(max_model_name_characters) + " characters");
    return std::move(*name);
}

Result<std::optional<KeepAlive>> read_keep_alive(const JsonReader& value) {
    if (value.absent()) return std::nullopt;
    if (value.is_string()) {
        const auto duration = parse_keep_alive_or_seconds(value.json().get<std::string>());
        if (!duration) return value.invalid("must be a duration such as \"10m\", or a number of seconds");
        return *duration;
    }
    if (!value.is_number()) return value.wrong_type("a duration such as \"10m\" or a number of seconds");
    WEFT_TRY(const auto seconds, value.number());
    return keep_alive_of_seconds(*seconds);
}

Result<void> read_samplers(const JsonReader& body, ChatRequest& request) {
    auto& values = request.overrides;
    WEFT_CHECK(check_options(body["options"]));
    request.generate.sampling.penalize_prompt = false;  // these penalties look at generated tokens only
    WEFT_CHECK(read_float(values.temperature, pick(body, {"temperature"}), 0, 2));
    WEFT_CHECK(read_float(values.top_p, pick(body, {"top_p"}), 0, 1));
    WEFT_CHECK(read_float(values.min_p, pick(body, {"min_p"}), 0, 1));
    WEFT_CHECK(read_float(values.typical_p, pick(body, {"typical_p"}), 0, 1));
    WEFT_CHECK(read_float(values.frequency_penalty, pick(body, {"frequency_penalty"}), -2, 2));
    WEFT_CHECK(read_float(values.presence_penalty, pick(body, {"presence_penalty"}), -2, 2));
    WEFT_CHECK(read_repeat_penalty(values.repeat_penalty, pick(body, {"repeat_penalty", "repetition_penalty"})));
    WEFT_CHECK(read_integer(values.top_k, pick(body, {"top_k"}), int32_min, int32_max));
    WEFT_CHECK(read_integer(values.repeat_last_n, pick(body, {"repeat_last_n"}), -1, int32_max));
    WEFT_CHECK(read_integer(values.seed, pick(body, {"seed"}), INT64_MIN, INT64_MAX));
    WEFT_CHECK(read_integer(values.context_tokens, pick(body, {"num_ctx"}), 0, int32_max));
    WEFT_CHECK(read_integer(values.keep_tokens, pick(body, {"n_keep", "num_keep"}), -1, int32_max));
    WEFT_CHECK(read_logit_bias(values.logit_bias, body["logit_bias"]));
    WEFT_TRY(request.keep_alive, read_keep_alive(body["keep_alive"]));
    WEFT_TRY(const auto ignore_eos, pick(body, {"ignore_eos"}).boolean());
    request.generate.ignore_eos = ignore_eos.value_or(false);
    WEFT_TRY(const auto priority, body["priority"].integer(int32_min, int32_max));
    request.generate.priority = static_cast<std::int32_t>(priority.value_or(0));
    return {};
}

void settle_thinking(GenerateRequest& generate, const ModelInfo& model) {
    if (model.can("thinking")) return;
    std::get<ChatPrompt>(generate.prompt).thinking.reset();
    generate.thinking_budget.reset();
}

}  // namespace weft::api
