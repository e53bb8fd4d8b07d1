#include "engine/embedder.h"

#include <algorithm>
#include <cmath>
#include <thread>

namespace weft {
namespace {

constexpr std::uint32_t max_embed_tokens = 8192;   // of one batch: the compute buffer grows with it
constexpr std::uint32_t max_embed_sequences = 64;

void normalize(std::vector<float>& vector) {
    double sum = 0;
    for (const float x : vector) sum += static_cast<double>(x) * x;
    const auto scale = sum > 0 ? static_cast<float>(1.0 / std::sqrt(sum)) : 0.0F;
    for (float& x : vector) x *= scale;
}

}  // namespace

Result<std::unique_ptr<Embedder>> Embedder::create(std::shared_ptr<const LoadedModel> model,
                                                   const LoadMessage& message) {
    std::uint32_t window = std::min(model->trained_context(), max_embed_tokens);
    if (message.context_tokens != 0) window = std::min(window, message.context_tokens);
    const auto batch = std::max(window, 64U);
    auto params = llama_context_default_params();
    params.n_ctx = batch;
    params.n_batch = batch;
    params.n_ubatch = batch;  // pooling needs the whole input in one piece
    params.n_seq_max = std::min<std::uint32_t>(max_embed_sequences, batch);
    params.n_threads = static_cast<std::int32_t>(message.threads != 0 ? message.threads : std::max(1U, std::thread::hardware_concurrency()));
    params.n_threads_batch = params.n_threads;
    params.embeddings = true;
    params.pooling_type = model->has_pooling() ? LLAMA_POOLING_TYPE_UNSPECIFIED : LLAMA_POOLING_TYPE_MEAN;
    params.kv_unified = true;
    params.no_perf = true;
    ContextHandle context(llama_init_from_model(model->handle(), params));
    if (!context)
        return fail(ErrorCode::model_load_failed,
                    "the embedding context could not be created: the model requires more system memory than is available");
    if (llama_pooling_type(context.get()) == LLAMA_POOLING_TYPE_RANK)
        return fail_field(ErrorCode::unsupported, "model", "the model does not support embeddings: it ranks");
    return std::unique_ptr<Embedder>(new Embedder(std::move(model), std::move(context), batch, params.n_seq_max));
}

Embedder::Embedder(std::shared_ptr<const LoadedModel> model, ContextHandle context, std::uint32_t batch_tokens,
                   std::uint32_t max_sequences)
    : model_(std::move(model)), context_(std::move(context)), batch_tokens_(batch_tokens), max_sequences_(max_sequences) {}

Result<std::vector<Token>> Embedder::tokens_of(const std::variant<std::string, std::vector<Token>>& input,
                                               bool truncate, std::size_t index) const {
    std::vector<Token> tokens;
    const auto* text = std::get_if<std::string>(&input);
    if (text != nullptr) tokens = model_->tokenize(*text, false);
    else tokens = std::get<std::vector<Token>>(input);
    for (const auto token : tokens)
        if (!model_->is_token(token))
            return fail_field(ErrorCode::invalid_request, "input[" + std::to_string(index) + "]",
                              "'input' contains token " + std::to_string(token) + ", which the vocabulary does not have");
    const auto specials = text != nullptr ? model_->with_specials({}).size() : 0;
    if (const auto length = tokens.size() + specials; length > batch_tokens_) {
        if (!truncate)
            return std::unexpected(Error{.code = ErrorCode::context_overflow,
                                         .message = "the input length exceeds the context length: it has " +
                                                    std::to_string(length) + " tokens, the maximum context length is " +
                                                    std::to_string(batch_tokens_),
                                         .field = "input",
                                         .prompt_tokens = static_cast<int>(length),
                                         .context_tokens = static_cast<int>(batch_tokens_)});
        tokens.resize(batch_tokens_ - specials);
    }
    if (text != nullptr) tokens = model_->with_specials(std::move(tokens));
    // The empty text is a text: it is embedded by whatever the vocabulary has for "nothing".
    if (tokens.empty()) tokens = {std::max(llama_vocab_bos(llama_model_get_vocab(model_->handle())), 0)};
    return tokens;
}

Result<EmbedResult> Embedder::embed(const EmbedRequest& request) {
    EmbedResult result;
    std::vector<std::vector<Token>> inputs;
    for (std::size_t i = 0; i < request.inputs.size(); ++i) {
        WEFT_TRY(auto tokens, tokens_of(request.inputs[i], request.truncate, i));
        result.tokens.push_back(static_cast<std::uint32_t>(tokens.size()));
        inputs.push_back(std::move(tokens));
    }
    for (std::size_t first = 0; first < inputs.size();) {
        std::size_t last = first;
        std::size_t rows = 0;
        while (last < inputs.size() && last - first < max_sequences_ && rows + inputs[last].size() <= batch_tokens_)
            rows += inputs[last++].size();
        WEFT_CHECK(run(std::span(inputs).subspan(first, last - first), result.vectors));
        first = last;
    }
    for (auto& vector : result.vectors) {
        if (std::ranges::any_of(vector, [](float x) { return !std::isfinite(x); }))
            return fail(ErrorCode::engine_failed, "the model computed an embedding that is not finite");
        if (request.dimensions > 0 && request.dimensions < vector.size()) vector.resize(request.dimensions);
        if (request.normalize) normalize(vector);
    }
    return result;
}

Result<void> Embedder::run(std::span<const std::vector<Token>> inputs, std::vector<std::vector<float>>& out) {
    std::size_t rows = 0;
    for (const auto& input : inputs) rows += input.size();
    llama_batch batch = llama_batch_init(static_cast<std::int32_t>(rows), 0, 1);
    for (std::size_t s = 0; s < inputs.size(); ++s) {
        for (std::size_t i = 0; i < inputs[s].size(); ++i) {
            const auto row = batch.n_tokens++;
            batch.token[row] = inputs[s][i];
            batch.pos[row] = static_cast<llama_pos>(i);
            batch.n_seq_id[row] = 1;
            batch.seq_id[row][0] = static_cast<llama_seq_id>(s);
            batch.logits[row] = 1;
        }
    }
    if (auto* memory = llama_get_memory(context_.get())) llama_memory_clear(memory, false);
    const auto status = llama_decode(context_.get(), batch);
    llama_batch_free(batch);
    if (status != 0)
        return std::unexpected(Error{.code = ErrorCode::engine_failed,
                                     .message = "the model failed to compute embeddings",
                                     .detail = "llama_decode returned " + std::to_string(status)});
    const auto width = static_cast<std::size_t>(llama_model_n_embd_out(model_->handle()));
    for (std::size_t s = 0; s < inputs.size(); ++s) {
        const float* vector = llama_get_embeddings_seq(context_.get(), static_cast<llama_seq_id>(s));
        if (vector == nullptr) return fail(ErrorCode::engine_failed, "the model gave no embedding");
        out.emplace_back(vector, vector + width);
    }
    return {};
}

}  // namespace weft
