#include "api/openai/request_fields.h"

namespace weft::api::openai {
namespace {

// max_completion_tokens wins over max_tokens; n_predict and num_predict are llama-server's and Ollama's names for it.
Result<void> read_max_tokens(const JsonReader& body, std::optional<std::int64_t>& target, std::int64_t minimum) {
    const auto at_least = [minimum](const JsonReader& value) -> Result<std::optional<std::int64_t>> {
        WEFT_TRY(const auto limit, value.integer(-1, INT64_MAX));
        if (limit && *limit >= 0 && *limit < minimum)
            return value.invalid("must be at least " + std::to_string(minimum) + ", or -1 for no limit",
                                 ErrorReason::below_minimum);
        return limit;
    };
    WEFT_TRY(const auto completion_tokens, body["max_completion_tokens"].integer(minimum, INT64_MAX));
    WEFT_TRY(const auto tokens, at_least(body["max_tokens"]));
    WEFT_TRY(const auto predicted, pick(body, {"n_predict", "num_predict"}).integer());
    target = completion_tokens ? completion_tokens : tokens ? tokens : predicted;
    return {};
}

}  // namespace

Result<void> read_sampling(const JsonReader& body, ChatRequest& request, std::int64_t least_tokens) {
    WEFT_CHECK(read_samplers(body, request));
    WEFT_CHECK(read_stop(request.overrides.stop, pick(body, {"stop"})));
    return read_max_tokens(body, request.overrides.max_tokens, least_tokens);
}

Result<StreamFields> read_stream_fields(const JsonReader& body) {
    WEFT_TRY(const auto stream, body["stream"].boolean());
    const auto options = body["stream_options"];
    WEFT_CHECK(options.object());
    WEFT_TRY(const auto include_usage, options["include_usage"].boolean());
    return StreamFields{.stream = stream.value_or(false), .include_usage = include_usage.value_or(false)};
}

}  // namespace weft::api::openai
