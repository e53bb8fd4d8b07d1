#include <bit>
#include <charconv>

#include "api/base64.h"
#include "api/json_text.h"
#include "api/openai/errors.h"
#include "api/openai/handlers.h"
#include "api/openai/request_fields.h"
#include "api/reply_waiter.h"
#include "base/ascii.h"

namespace weft::api::openai {
namespace asio = boost::asio;
namespace {

constexpr std::size_t max_inputs = 2048;
constexpr std::size_t max_tokens_per_input = 1'000'000;

struct EmbeddingCall {
    std::string model;
    EmbedRequest request;
    std::optional<KeepAlive> keep_alive;
    bool base64 = false;
};

using Input = std::variant<std::string, std::vector<Token>>;

Result<Token> read_token(const JsonReader& element) {
    WEFT_TRY(const auto token, element.integer(0, INT32_MAX));
    if (!token) return element.wrong_type("an integer");
    return static_cast<Token>(*token);
}

Result<Input> read_tokens(const std::vector<JsonReader>& elements, const JsonReader& where) {
    if (elements.empty()) return where.invalid("must not be empty", ErrorReason::empty_array);
    if (elements.size() > max_tokens_per_input) return where.invalid("has too many tokens");
    std::vector<Token> tokens;
    tokens.reserve(elements.size());
    for (const auto& element : elements) {
        WEFT_TRY(const auto token, read_token(element));
        tokens.push_back(token);
    }
    return tokens;
}

// An element of a list of inputs: all are texts, or all are lists of tokens.
Result<Input> read_element(const JsonReader& element, bool texts) {
    if (texts) {
        WEFT_TRY(auto text, element.string());
        if (!text) return element.wrong_type("a string");
        return std::move(*text);
    }
    WEFT_TRY(const auto tokens, element.array());
    if (!tokens) return element.wrong_type("an array of integers");
    return read_tokens(*tokens, element);
}

// string | string[] | int[] | int[][]
Result<std::vector<Input>> read_inputs(const JsonReader& input) {
    if (input.absent()) return input.missing();
    if (input.is_string()) return std::vector<Input>{input.json().get<std::string>()};
    if (!input.is_array()) return input.wrong_type("a string or an array");
    WEFT_TRY(const auto elements, input.array());
    if (elements->empty()) return input.invalid("must have at least one input", ErrorReason::empty_array);
    if (elements->front().is_number()) {
        WEFT_TRY(auto tokens, read_tokens(*elements, input));
        return std::vector<Input>{std::move(tokens)};
    }
    if (elements->size() > max_inputs)
        return input.invalid("must have at most " + std::to_string(max_inputs) + " inputs");
    std::vector<Input> inputs;
    for (const auto& element : *elements) {
        WEFT_TRY(auto one, read_element(element, elements->front().is_string()));
        inputs.push_back(std::move(one));
    }
    return inputs;
}

Result<bool> read_base64(const JsonReader& format) {
    WEFT_TRY(const auto name, format.string());
    const bool base64 = name && equal_ignoring_case(*name, "base64");
    if (name && !base64 && !equal_ignoring_case(*name, "float")) return format.invalid("must be float or base64");
    return base64;
}

Result<EmbeddingCall> read_embedding_call(const JsonReader& body) {
    EmbeddingCall call;
    WEFT_TRY(call.model, read_model(body));
    WEFT_TRY(call.request.inputs, read_inputs(body["input"]));
    WEFT_TRY(call.base64, read_base64(body["encoding_format"]));
    WEFT_TRY(const auto dimensions, body["dimensions"].integer(1, INT32_MAX));
    call.request.dimensions = static_cast<std::uint32_t>(dimensions.value_or(0));
    WEFT_TRY(const auto truncate, body["truncate"].boolean());
    call.request.truncate = truncate.value_or(true);
    WEFT_TRY(call.keep_alive, read_keep_alive(body["keep_alive"]));
    const auto limit = body["truncate_prompt_tokens"];
    WEFT_TRY(const auto limit_tokens, limit.integer());
    if (limit_tokens && *limit_tokens > 0) return not_supported_yet(limit, "'truncate_prompt_tokens'");
    return call;
}

Result<void> check_dimensions(const EmbeddingCall& call, const ModelInfo& model) {
    if (model.embedding_length == 0 || call.request.dimensions <= model.embedding_length) return {};
    return fail_field(ErrorCode::invalid_request, "dimensions",
                      "'dimensions' must be at most " + std::to_string(model.embedding_length) + " for this model",
                      ErrorReason::above_maximum);
}

// The vector's float32 values in little-endian order.
std::string_view bytes_of(const std::vector<float>& values) {
    static_assert(std::endian::native == std::endian::little);
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

void append_floats(std::string& out, const std::vector<float>& values) {
    char digits[32];
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (i > 0) out += ',';
        out.append(digits, std::to_chars(digits, digits + sizeof digits, values[i]).ptr);
    }
}

std::string answer_of(const EmbedResult& result, const std::string& model, bool base64) {
    std::string out = R"({"object":"list","data":[)";
    for (std::size_t i = 0; i < result.vectors.size(); ++i) {
        if (i > 0) out += ',';
        out += R"({"object":"embedding","index":)" + std::to_string(i) + R"(,"embedding":)";
        out += base64 ? '"' : '[';
        if (base64)
            append_base64(out, bytes_of(result.vectors[i]));
        else
            append_floats(out, result.vectors[i]);
        out += base64 ? '"' : ']';
        out += '}';
    }
    std::uint64_t tokens = 0;
    for (const auto n : result.tokens) tokens += n;
    out += R"(],"model":)";
    append_json_string(out, model);
    out += R"(,"usage":{"prompt_tokens":)" + std::to_string(tokens) + R"(,"total_tokens":)" + std::to_string(tokens) +
           "}}";
    return out;
}

}  // namespace

Answered embeddings(http::Exchange& exchange, const Services& services) {
    const auto body = body_of(exchange.request());
    if (!body) co_return co_await reply_error(exchange, services, body.error());
    auto call = read_embedding_call(JsonReader(*body));
    if (!call) co_return co_await reply_error(exchange, services, call.error());
    const auto model = find_model(services, call->model);
    if (!model) co_return co_await reply_error(exchange, services, model.error());
    if (const auto fits = check_dimensions(*call, **model); !fits)
        co_return co_await reply_error(exchange, services, fits.error());
    const auto outcome = co_await services.embed.embed(call->model, std::move(call->request), call->keep_alive,
                                                       leaving_of(exchange));
    if (!outcome) co_return co_await reply_error(exchange, services, blame_prompt(outcome.error(), "input"));
    co_await reply_json(exchange, services, answer_of(outcome->result, call->model, call->base64));
}

}  // namespace weft::api::openai
