#include "api/ollama/options.h"

#include <algorithm>
#include <thread>
#include <limits>

namespace weft::api::ollama {
namespace {

// Windows below this cannot hold a turn; smaller values mean this.
constexpr std::int64_t min_context_tokens = 4;
constexpr std::int64_t max_gpu_layers = 10'000;
constexpr std::int64_t max_batch_tokens = 16'384;
constexpr std::int64_t max_context_tokens = 1 << 26;

std::unexpected<Error> wrong_option(const JsonReader& value, std::string_view key, std::string_view what) {
    return value.path().empty() ? fail(ErrorCode::invalid_request, "")
                                : fail_field(ErrorCode::invalid_request, value.path(),
                                             "option \"" + std::string(key) + "\" must be " + std::string(what),
                                             ErrorReason::wrong_type);
}

struct Option {
    std::string_view key;
    JsonReader value;
};

Result<std::int64_t> whole(const Option& option) {
    const auto number = option.value.integer();
    if (!number) return wrong_option(option.value, option.key, "of type integer");
    return **number;
}

Result<std::int32_t> whole32(const Option& option) {
    WEFT_TRY(const auto number, whole(option));
    return static_cast<std::int32_t>(std::clamp<std::int64_t>(number, INT32_MIN, INT32_MAX));
}

Result<float> real(const Option& option) {
    constexpr double most = std::numeric_limits<float>::max();
    const auto number = option.value.number(-most, most);
    if (!number) return wrong_option(option.value, option.key, "of type float32");
    return static_cast<float>(**number);
}

Result<std::string> stop_string(const Option& option, const JsonReader& value) {
    const auto text = value.string();
    if (!text || !*text) return wrong_option(option.value, option.key, "of an array of strings");
    if ((*text)->size() > max_stop_string_bytes)
        return fail_field(ErrorCode::invalid_request, value.path(),
                          "a stop string must not be longer than " + std::to_string(max_stop_string_bytes) + " bytes");
    return std::move(**text);
}

// An empty stop string would end every answer before it begins, so it is left out.
Result<std::vector<std::string>> stop_strings(const Option& option) {
    std::vector<std::string> strings;
    if (option.value.is_string()) {
        WEFT_TRY(auto text, stop_string(option, option.value));
        if (!text.empty()) strings.push_back(std::move(text));
        return strings;
    }
    const auto values = option.value.array();
    if (!values) return wrong_option(option.value, option.key, "of type array");
    if ((*values)->size() > max_stop_strings)
        return fail_field(ErrorCode::invalid_request, option.value.path(),
                          "at most " + std::to_string(max_stop_strings) + " stop strings are possible");
    for (const auto& value : **values) {
        WEFT_TRY(auto text, stop_string(option, value));
        if (!text.empty()) strings.push_back(std::move(text));
    }
    return strings;
}

// ---- what each option means -----------------------------------------------------------------------------------------

using Apply = Result<void> (*)(SamplingOverrides&, const Option&);

template <auto Member>
Result<void> set_real(SamplingOverrides& out, const Option& option) {
    WEFT_TRY(out.*Member, real(option));
    return {};
}

template <auto Member>
Result<void> set_whole32(SamplingOverrides& out, const Option& option) {
    WEFT_TRY(out.*Member, whole32(option));
    return {};
}

Result<void> set_temperature(SamplingOverrides& out, const Option& option) {
    WEFT_TRY(const float value, real(option));
    out.temperature = std::max(value, 0.0F);  // below 0 is greedy too
    return {};
}

Result<void> set_probability(std::optional<float>& out, const Option& option) {
    WEFT_TRY(const float value, real(option));
    out = std::clamp(value, 0.0F, 1.0F);
    return {};
}
Result<void> set_top_p(SamplingOverrides& out, const Option& option) { return set_probability(out.top_p, option); }
Result<void> set_min_p(SamplingOverrides& out, const Option& option) { return set_probability(out.min_p, option); }
Result<void> set_typical_p(SamplingOverrides& out, const Option& option) {
    return set_probability(out.typical_p, option);
}

Result<void> set_repeat_penalty(SamplingOverrides& out, const Option& option) {
    WEFT_TRY(const float value, real(option));
    if (value <= 0)
        return fail_field(ErrorCode::invalid_request, option.value.path(), "option \"repeat_penalty\" must be above 0");
    out.repeat_penalty = value;
    return {};
}

// -1 asks for a random seed, every other number for a repeatable run, whatever its sign and size.
Result<void> set_seed(SamplingOverrides& out, const Option& option) {
    WEFT_TRY(const auto value, whole(option));
    out.seed = value == -1 ? -1 : static_cast<std::int64_t>(static_cast<std::uint32_t>(value));
    return {};
}

Result<void> set_num_predict(SamplingOverrides& out, const Option& option) {
    WEFT_TRY(out.max_tokens, whole(option));
    return {};
}

// 0 leaves the choice to the server.
Result<void> set_num_ctx(SamplingOverrides& out, const Option& option) {
    WEFT_TRY(const auto value, whole(option));
    if (value != 0)
        out.context_tokens = static_cast<std::uint32_t>(std::clamp(value, min_context_tokens, max_context_tokens));
    return {};
}

// Below 0: the whole prompt.
Result<void> set_num_keep(SamplingOverrides& out, const Option& option) {
    WEFT_TRY(const auto value, whole(option));
    out.keep_tokens = static_cast<std::uint32_t>(value < 0 ? max_context_tokens : std::min(value, max_context_tokens));
    return {};
}

Result<void> set_stop(SamplingOverrides& out, const Option& option) {
    WEFT_TRY(out.stop, stop_strings(option));
    return {};
}

Result<void> check_whole(SamplingOverrides&, const Option& option) {
    WEFT_CHECK(whole(option));
    return {};
}

Result<void> check_boolean(SamplingOverrides&, const Option& option) {
    if (!option.value.is_boolean()) return wrong_option(option.value, option.key, "of type boolean");
    return {};
}

// -1 leaves the choice to the server; so does 0 for threads and batch.
Result<void> set_num_gpu(SamplingOverrides& out, const Option& option) {
    WEFT_TRY(const auto value, whole(option));
    if (value >= 0) out.load.gpu_layers = static_cast<std::int32_t>(std::min(value, max_gpu_layers));
    return {};
}

Result<void> set_num_thread(SamplingOverrides& out, const Option& option) {
    WEFT_TRY(const auto value, whole(option));
    if (value > 0) out.load.threads = static_cast<std::uint32_t>(std::min<std::int64_t>(value, std::max(1U, std::thread::hardware_concurrency())));
    return {};
}

Result<void> set_num_batch(SamplingOverrides& out, const Option& option) {
    WEFT_TRY(const auto value, whole(option));
    if (value > 0) out.load.batch_tokens = static_cast<std::uint32_t>(std::min(value, max_batch_tokens));
    return {};
}

Result<void> set_use_mmap(SamplingOverrides& out, const Option& option) {
    WEFT_CHECK(check_boolean(out, option));
    out.load.use_mmap = option.value.json().get<bool>();
    return {};
}

struct Row {
    std::string_view key;
    Apply apply;
};

constexpr Row table[] = {
    {"temperature", set_temperature},
    {"top_k", set_whole32<&SamplingOverrides::top_k>},
    {"top_p", set_top_p},
    {"min_p", set_min_p},
    {"typical_p", set_typical_p},
    {"seed", set_seed},
    {"num_predict", set_num_predict},
    {"stop", set_stop},
    {"repeat_penalty", set_repeat_penalty},
    {"repeat_last_n", set_whole32<&SamplingOverrides::repeat_last_n>},
    {"presence_penalty", set_real<&SamplingOverrides::presence_penalty>},
    {"frequency_penalty", set_real<&SamplingOverrides::frequency_penalty>},
    {"num_keep", set_num_keep},
    {"num_ctx", set_num_ctx},
    {"num_batch", set_num_batch},
    {"num_gpu", set_num_gpu},
    {"num_thread", set_num_thread},
    {"use_mmap", set_use_mmap},
    // How to load the model: the engine decides these by itself.
    {"main_gpu", check_whole},
    {"draft_num_predict", check_whole},
};

}  // namespace

Result<SamplingOverrides> parse_options(const JsonReader& options) {
    SamplingOverrides out;
    WEFT_TRY(const auto members, options.object());
    if (!members) return out;
    for (const auto& [key, value] : *members) {
        if (value.absent()) continue;
        const auto* const row = std::ranges::find(table, key, &Row::key);
        if (row != std::ranges::end(table)) WEFT_CHECK(row->apply(out, {.key = row->key, .value = value}));
    }
    return out;
}

}  // namespace weft::api::ollama
