// POST /v1/rerank: how well documents answer a query, best first. TEI's form is told by its `texts`.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "api/json_text.h"
#include "api/openai/answer_parts.h"
#include "api/openai/errors.h"
#include "api/openai/handlers.h"
#include "api/openai/named_model.h"
#include "api/reply_waiter.h"
#include "api/request_fields.h"

namespace weft::api::openai {
namespace {

constexpr std::size_t max_documents = 2048;

struct RerankCall {
    std::string model;
    std::optional<KeepAlive> keep_alive;
    EmbedRequest request;
    std::size_t top_n = max_documents;
    bool tei = false;
    bool raw_scores = true;     // TEI asks for probabilities unless told otherwise
    bool return_texts = false;
};

// A text, or an object with one.
Result<std::string> read_document(const JsonReader& value) {
    const auto text = value.is_object() ? value["text"] : value;
    WEFT_TRY(auto given, text.string());
    if (!given) return text.missing();
    return std::move(*given);
}

Result<void> read_documents(const JsonReader& list, EmbedRequest& request) {
    WEFT_TRY(const auto elements, list.array());
    if (!elements) return list.missing();
    if (elements->empty()) return list.invalid("must have at least one document", ErrorReason::empty_array);
    if (elements->size() > max_documents)
        return list.invalid("must have at most " + std::to_string(max_documents) + " documents");
    for (const auto& element : *elements) {
        WEFT_TRY(auto document, read_document(element));
        request.inputs.emplace_back(std::move(document));
    }
    return {};
}

Result<RerankCall> read_rerank_call(const Services& services, const JsonReader& body) {
    RerankCall call;
    WEFT_TRY(call.model, named_or_only_model(services, body["model"]));
    WEFT_TRY(call.keep_alive, read_keep_alive(body["keep_alive"]));
    WEFT_TRY(auto query, body["query"].string());
    if (!query) return body["query"].missing();
    call.request.rank_query = std::move(*query);
    call.request.normalize = false;
    call.tei = !body["texts"].absent();
    WEFT_CHECK(read_documents(call.tei ? body["texts"] : body["documents"], call.request));
    WEFT_TRY(const auto top_n, body["top_n"].integer(1, INT32_MAX));
    if (top_n) call.top_n = static_cast<std::size_t>(*top_n);
    WEFT_TRY(const auto raw, body["raw_scores"].boolean());
    call.raw_scores = raw.value_or(!call.tei);
    WEFT_TRY(const auto texts, body[call.tei ? "return_text" : "return_documents"].boolean());
    call.return_texts = texts.value_or(false);
    WEFT_TRY(const auto truncate, body["truncate"].boolean());
    call.request.truncate = truncate.value_or(true);
    return call;
}

std::vector<float> scores_of(const EmbedResult& result, bool raw) {
    std::vector<float> scores;
    for (const auto& vector : result.vectors) {
        const float score = vector.empty() ? 0 : vector.front();
        scores.push_back(raw ? score : 1 / (1 + std::exp(-score)));
    }
    return scores;
}

// Best first; equal ones in the order of the request.
std::vector<std::size_t> ranking(const std::vector<float>& scores) {
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, std::greater{}, [&](std::size_t i) { return scores[i]; });
    return order;
}

void append_result(std::string& out, const RerankCall& call, const std::vector<std::variant<std::string, std::vector<Token>>>& texts,
                   std::size_t index, float score) {
    out += R"({"index":)" + std::to_string(index) + (call.tei ? R"(,"score":)" : R"(,"relevance_score":)");
    append_logprob(out, score);
    if (call.return_texts) {
        out += call.tei ? R"(,"text":)" : R"(,"document":{"text":)";
        append_json_string(out, std::get<std::string>(texts[index]));
        if (!call.tei) out += '}';
    }
    out += '}';
}

std::string answer_of(const RerankCall& call, const std::vector<std::variant<std::string, std::vector<Token>>>& texts,
                      const EmbedResult& result) {
    const auto scores = scores_of(result, call.raw_scores);
    std::string results = "[";
    std::size_t shown = 0;
    for (const auto index : ranking(scores)) {
        if (shown == call.top_n) break;
        if (shown++ > 0) results += ',';
        append_result(results, call, texts, index, scores[index]);
    }
    results += ']';
    if (call.tei) return results;
    const auto tokens = std::to_string(std::accumulate(result.tokens.begin(), result.tokens.end(), std::uint64_t{0}));
    std::string out = R"({"model":)";
    append_json_string(out, call.model);
    return out + R"(,"object":"list","usage":{"prompt_tokens":)" + tokens + R"(,"total_tokens":)" + tokens + R"(},"results":)" + results + "}";
}

}  // namespace

Answered rerank(http::Exchange& exchange, const Services& services) {
    const auto body = body_of(exchange.request());
    if (!body) co_return co_await reply_error(exchange, services, body.error());
    const auto call = read_rerank_call(services, JsonReader(*body));
    if (!call) co_return co_await reply_error(exchange, services, call.error());
    const auto model = find_model(services, call->model);
    if (!model) co_return co_await reply_error(exchange, services, model.error());
    if (!(*model)->can("rerank"))
        co_return co_await reply_error(exchange, services, {.code = ErrorCode::unsupported,
                                                            .message = "\"" + call->model + "\" does not support reranking",
                                                            .field = "model"});
    const auto outcome = co_await services.embed.embed(call->model, call->request, call->keep_alive, leaving_of(exchange));
    if (!outcome) co_return co_await reply_error(exchange, services, blame_prompt(outcome.error(), call->tei ? "texts" : "documents"));
    co_await reply_json(exchange, services, answer_of(*call, call->request.inputs, outcome->result));
}

}  // namespace weft::api::openai
