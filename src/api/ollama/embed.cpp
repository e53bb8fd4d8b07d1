#include <algorithm>
#include <cmath>

#include "api/ollama/errors.h"
#include "api/ollama/handlers.h"
#include "api/ollama/json_text.h"
#include "api/ollama/options.h"
#include "api/ollama/request_fields.h"

namespace weft::api::ollama {
namespace asio = boost::asio;
namespace {

constexpr std::size_t max_inputs = 1U << 14U;

using Vectors = std::vector<std::vector<float>>;

// ---- /api/embed -----------------------------------------------------------------------------------------------------

struct EmbedBody {
    std::string model;
    EmbedRequest request{};
    std::optional<KeepAlive> keep_alive{};
    std::uint32_t context_tokens = 0;
    LoadOptions load{};
};

struct EmbedAnswer {
    std::string model;
    Vectors embeddings;
    std::optional<std::uint64_t> total_duration{};
    std::optional<std::uint64_t> load_duration{};
    std::optional<std::uint64_t> prompt_eval_count{};
};

Result<void> read_inputs(EmbedRequest& request, const JsonReader& input) {
    const auto wrong = fail_field(ErrorCode::invalid_request, "input", "invalid input type", ErrorReason::wrong_type);
    if (input.absent()) return {};
    if (input.is_string()) {
        auto text = input.json().get<std::string>();
        if (!text.empty()) request.inputs.emplace_back(std::move(text));
        return {};
    }
    const auto list = input.array();
    if (!list) return wrong;
    if ((*list)->size() > max_inputs)
        return fail_field(ErrorCode::too_large, "input", "at most " + std::to_string(max_inputs) + " inputs are possible");
    for (const auto& element : **list) {
        if (!element.is_string()) return wrong;
        request.inputs.emplace_back(element.json().get<std::string>());
    }
    return {};
}

// Those that say how to load the model; the others are checked like everywhere.
Result<void> read_options(EmbedBody& out, const JsonReader& body) {
    WEFT_TRY(const auto options, parse_options(body["options"]));
    out.context_tokens = options.context_tokens.value_or(0);
    out.request.context_tokens = out.context_tokens;
    out.load = options.load;
    return {};
}

Result<EmbedBody> parse_embed(const http::Request& http_request) {
    WEFT_TRY(const auto json, body_of(http_request));
    const JsonReader body(json);
    EmbedBody out;
    WEFT_TRY(out.model, model_name_in(body));
    if (out.model.empty()) return fail(ErrorCode::not_found, "model '' not found");
    WEFT_CHECK(read_inputs(out.request, body["input"]));
    WEFT_TRY(const auto truncate, body["truncate"].boolean());
    WEFT_TRY(const auto dimensions, body["dimensions"].integer(0));
    WEFT_TRY(out.keep_alive, keep_alive_in(body));
    WEFT_CHECK(read_options(out, body));
    out.request.truncate = truncate.value_or(true);
    out.request.dimensions = static_cast<std::uint32_t>(std::min<std::int64_t>(dimensions.value_or(0), UINT32_MAX));
    return out;
}

Result<void> check_finite(const Vectors& vectors) {
    for (const auto& vector : vectors)
        if (!std::ranges::all_of(vector, [](float x) { return std::isfinite(x); }))
            return fail(ErrorCode::engine_failed, "the model answered with a value that is not a number");
    return {};
}

asio::awaitable<Result<RunnerLease>> load(const Services& services, const EmbedBody& body) {
    co_return co_await services.chat.load(body.model, body.keep_alive, body.context_tokens, body.load);
}

// What is asked for of the loading is done first, and the model held until its vectors are there.
asio::awaitable<Result<EmbedOutcome>> embed(const Services& services, EmbedBody body) {
    RunnerLease lease;
    if (body.context_tokens != 0 || body.load.any()) {
        auto loaded = co_await load(services, body);
        if (!loaded) co_return std::unexpected(std::move(loaded).error());
        lease = std::move(*loaded);
    }
    auto outcome = co_await services.embed.embed(std::move(body.model), std::move(body.request), body.keep_alive);
    if (!outcome) co_return outcome;
    if (auto finite = check_finite(outcome->result.vectors); !finite) co_return std::unexpected(finite.error());
    co_return outcome;
}

std::optional<std::uint64_t> whole_nanoseconds(std::chrono::nanoseconds duration) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 1));
}

EmbedAnswer to_answer(std::string model, EmbedOutcome outcome, std::chrono::nanoseconds passed) {
    std::uint64_t tokens = 0;
    for (const auto n : outcome.result.tokens) tokens += n;
    return {.model = std::move(model),
            .embeddings = std::move(outcome.result.vectors),
            .total_duration = whole_nanoseconds(passed),
            .load_duration = whole_nanoseconds(outcome.load_duration),
            .prompt_eval_count = tokens == 0 ? std::nullopt : std::optional(tokens)};
}

asio::awaitable<Result<EmbedAnswer>> answer_embed(http::Exchange& exchange, const Services& services) {
    auto body = parse_embed(exchange.request());
    if (!body) co_return std::unexpected(std::move(body).error());
    const auto model = find_model(services.registry, body->model, MissingModel::pull_first);
    if (!model) co_return std::unexpected(model.error());
    if (body->request.inputs.empty()) {
        // Nothing to embed: the request is about loading the model.
        if (auto loaded = co_await load(services, *body); !loaded) co_return std::unexpected(std::move(loaded).error());
        co_return EmbedAnswer{.model = std::move(body->model), .embeddings = {}};
    }
    std::string model_as_given = body->model;
    auto outcome = co_await embed(services, std::move(*body));
    if (!outcome) co_return std::unexpected(std::move(outcome).error());
    const auto passed = services.clock.now() - exchange.request().received_at;
    co_return to_answer(std::move(model_as_given), std::move(*outcome), passed);
}

// ---- /api/embeddings, the older route -------------------------------------------------------------------------------

struct EmbeddingsAnswer {
    std::vector<float> embedding;
};

Result<EmbedBody> parse_embeddings(const http::Request& http_request) {
    WEFT_TRY(const auto json, body_of(http_request));
    const JsonReader body(json);
    EmbedBody out;
    WEFT_TRY(out.model, required_model_name_in(body));
    WEFT_TRY(auto prompt, body["prompt"].string());
    if (prompt && !prompt->empty()) out.request.inputs.emplace_back(std::move(*prompt));
    WEFT_TRY(out.keep_alive, keep_alive_in(body));
    WEFT_CHECK(read_options(out, body));
    return out;
}

// What this route always gave: the plain vector for the BERT family, one of length 1 for the others.
bool normalises(const ModelInfo& model) { return !model.architecture.contains("bert"); }

asio::awaitable<Result<EmbeddingsAnswer>> answer_embeddings(http::Exchange& exchange, const Services& services) {
    auto body = parse_embeddings(exchange.request());
    if (!body) co_return std::unexpected(std::move(body).error());
    const auto model = find_model(services.registry, body->model, MissingModel::pull_first);
    if (!model) co_return std::unexpected(model.error());
    if (body->request.inputs.empty()) {
        if (auto loaded = co_await load(services, *body); !loaded) co_return std::unexpected(std::move(loaded).error());
        co_return EmbeddingsAnswer{};
    }
    body->request.normalize = normalises(**model);
    auto outcome = co_await embed(services, std::move(*body));
    if (!outcome) co_return std::unexpected(std::move(outcome).error());
    co_return EmbeddingsAnswer{std::move(outcome->result.vectors.at(0))};
}

template <typename Answer>
asio::awaitable<void> reply_with(http::Exchange& exchange, Result<Answer> answer) {
    if (!answer) co_return co_await reply_error(exchange, std::move(answer).error());
    co_await exchange.reply({.body = to_json(*answer)});
}

}  // namespace

asio::awaitable<void> handle_embed(http::Exchange& exchange, const Services& services) {
    co_await reply_with(exchange, co_await answer_embed(exchange, services));
}

asio::awaitable<void> handle_embeddings(http::Exchange& exchange, const Services& services) {
    co_await reply_with(exchange, co_await answer_embeddings(exchange, services));
}

}  // namespace weft::api::ollama
