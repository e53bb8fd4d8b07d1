#include "engine/embedder.h"

#include <algorithm>
#include <cmath>
#include <thread>

#include "base/utf8.h"

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

Error too_long(std::size_t length, std::size_t window) {
    return {.code = ErrorCode::context_overflow,
            .message = "the input length exceeds the context length: it has " + std::to_string(length) +
                       " tokens, the maximum context length is " + std::to_string(window),
            .field = "input",
            .prompt_tokens = static_cast<int>(length),
            .context_tokens = static_cast<int>(window)};
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
    // Set, not left to libllama: it switches flash attention off where the weights lie in a buffer of our kernels, and then
    // the scores of every pair of tokens take memory.
    params.flash_attn_type = message.flash_attention ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED;
    ContextHandle context(llama_init_from_model(model->handle(), params));
    if (!context && message.flash_attention) {
        params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
        context.reset(llama_init_from_model(model->handle(), params));
    }
    if (!context)
        return fail(ErrorCode::model_load_failed,
                    "the embedding context could not be created: the model requires more system memory than is available");
    WEFT_CHECK(model->apply_adapters(context.get()));
    std::unique_ptr<Embedder> embedder(new Embedder(std::move(model), std::move(context), batch, params.n_seq_max));
    const auto stopped = [](void* self) {
        const auto* stop = static_cast<Embedder*>(self)->stop_;
        return stop != nullptr && (*stop)();
    };
    llama_set_abort_callback(embedder->context_.get(), stopped, embedder.get());
    return embedder;
}

Embedder::Embedder(std::shared_ptr<const LoadedModel> model, ContextHandle context, std::uint32_t batch_tokens,
                   std::uint32_t max_sequences)
    : model_(std::move(model)), context_(std::move(context)), batch_tokens_(batch_tokens), max_sequences_(max_sequences) {}

// Of a text that is much longer than the window no more is tokenized than its beginning, which is what a cut keeps of it.
std::vector<Token> Embedder::first_tokens(const std::string& text, std::size_t window) const {
    constexpr std::size_t usual_bytes_of_token = 8;
    const auto enough = window + std::max<std::size_t>(window / 4, 64);  // whatever the cut did to the last ones
    for (auto bytes = enough * usual_bytes_of_token; bytes < text.size(); bytes *= 4) {
        bytes = cut_before_character(text, bytes);
        auto tokens = model_->tokenize(text.substr(0, bytes), false);
        if (tokens.size() >= enough) return tokens;
    }
    return model_->tokenize(text, false);
}

Result<std::vector<Token>> Embedder::tokens_of(const std::variant<std::string, std::vector<Token>>& input,
                                               bool truncate, std::size_t window, std::size_t index) const {
    std::vector<Token> tokens;
    const auto* text = std::get_if<std::string>(&input);
    if (text != nullptr) tokens = first_tokens(*text, window);
    else tokens = std::get<std::vector<Token>>(input);
    for (const auto token : tokens)
        if (!model_->is_token(token))
            return fail_field(ErrorCode::invalid_request, "input[" + std::to_string(index) + "]",
                              "'input' contains token " + std::to_string(token) + ", which the vocabulary does not have");
    const auto specials = text != nullptr ? model_->with_specials({}).size() : 0;
    if (const auto length = tokens.size() + specials; length > window) {
        if (!truncate) return std::unexpected(too_long(length, window));
        if (specials >= window) return fail_field(ErrorCode::context_overflow, "input", "input after truncation exceeds maximum context length");
        tokens.resize(window - specials);
    }
    if (text != nullptr) tokens = model_->with_specials(std::move(tokens));
    // The empty text is a text: it is embedded by whatever the vocabulary has for "nothing".
    if (tokens.empty()) tokens = {std::max(llama_vocab_bos(llama_model_get_vocab(model_->handle())), 0)};
    return tokens;
}

Result<std::vector<Token>> Embedder::pair_of(const std::string& query, const std::variant<std::string, std::vector<Token>>& input,
                                             bool truncate, std::size_t window) const {
    const auto* document = std::get_if<std::string>(&input);
    if (document == nullptr) return fail_field(ErrorCode::invalid_request, "documents", "'documents' must be texts");
    if (const char* pattern = llama_model_chat_template(model_->handle(), "rerank"))
        return rendered_pair(pattern, query, *document, truncate, window);
    const auto* vocab = llama_model_get_vocab(model_->handle());
    std::vector<Token> tokens = model_->with_bos({});
    const auto append = [&](const std::vector<Token>& more) { tokens.insert(tokens.end(), more.begin(), more.end()); };
    const auto mark = [&](bool wanted, Token token) {
        if (wanted && model_->is_token(token)) tokens.push_back(token);
    };
    const auto sep = llama_vocab_sep(vocab);
    const auto eos = model_->is_token(llama_vocab_eos(vocab)) ? llama_vocab_eos(vocab) : sep;
    append(first_tokens(query, window));
    mark(llama_vocab_get_add_eos(vocab), eos);
    mark(llama_vocab_get_add_sep(vocab), sep);
    auto words = first_tokens(*document, window);
    const std::size_t room = window > tokens.size() + 1 ? window - tokens.size() - 1 : 0;  // the last one closes it
    if (words.size() > room) {
        if (!truncate || room == 0) return std::unexpected(too_long(tokens.size() + words.size() + 1, window));
        words.resize(room);
    }
    append(words);
    mark(llama_vocab_get_add_eos(vocab) || llama_vocab_get_add_sep(vocab), llama_vocab_get_add_eos(vocab) ? eos : sep);
    if (tokens.empty()) return fail_field(ErrorCode::invalid_request, "query", "query and document are both empty");
    return tokens;
}

// The two places are filled in one pass, so that neither text is searched for the other's place.
Result<std::vector<Token>> Embedder::rendered_pair(std::string_view pattern, const std::string& query,
                                                   const std::string& document, bool truncate, std::size_t window) const {
    const auto tokens_with = [&](const std::string& shown) {
        std::string text;
        for (std::string_view rest = pattern; !rest.empty();) {
            const auto brace = std::min(rest.find('{'), rest.size());
            text += rest.substr(0, brace);
            rest.remove_prefix(brace);
            if (rest.starts_with("{query}")) text += query, rest.remove_prefix(7);
            else if (rest.starts_with("{document}")) text += shown, rest.remove_prefix(10);
            else if (!rest.empty()) text += '{', rest.remove_prefix(1);
        }
        return model_->with_bos(model_->tokenize(text, true));
    };
    auto tokens = tokens_with(document);
    if (tokens.size() <= window) return tokens;
    constexpr std::size_t slack = 8;  // where texts meet, their tokens may fall differently
    const auto frame = tokens_with({}).size() + slack;
    if (!truncate || frame >= window) return std::unexpected(too_long(tokens.size(), window));
    auto words = first_tokens(document, window);
    words.resize(std::min(words.size(), window - frame));
    tokens = tokens_with(model_->text_of(words));
    if (tokens.size() > window) return std::unexpected(too_long(tokens.size(), window));
    return tokens;
}

Result<void> Embedder::check_kind(const EmbedRequest& request) const {
    if (request.rank_query && !model_->ranks())
        return fail_field(ErrorCode::unsupported, "model", "the model does not support reranking");
    if (!request.rank_query && model_->ranks())
        return fail_field(ErrorCode::unsupported, "model", "the model does not support embeddings: it ranks");
    return {};
}

std::uint64_t Embedder::context_bytes() const {
    constexpr std::uint64_t rows_of_a_batch = 12;  // of the model's width: residuals, projections, the feed-forward part
    const auto width = static_cast<std::uint64_t>(llama_model_n_embd(model_->handle())) * sizeof(float);
    return batch_tokens_ * (model_->kv_bytes_per_token(GGML_TYPE_F16) + rows_of_a_batch * width);
}

Result<EmbedResult> Embedder::embed(const EmbedRequest& request, const std::function<bool()>& stop) {
    const auto gone = [] { return fail(ErrorCode::cancelled, "the client has left"); };
    WEFT_CHECK(check_kind(request));
    EmbedResult result;
    std::size_t window = batch_tokens_;
    if (request.context_tokens != 0) window = std::min<std::size_t>(window, request.context_tokens);
    std::vector<std::vector<Token>> inputs;
    for (std::size_t i = 0; i < request.inputs.size(); ++i) {
        if (stop()) return gone();
        auto prepared = request.rank_query ? pair_of(*request.rank_query, request.inputs[i], request.truncate, window)
                                           : tokens_of(request.inputs[i], request.truncate, window, i);
        WEFT_TRY(auto tokens, std::move(prepared));
        result.tokens.push_back(static_cast<std::uint32_t>(tokens.size()));
        inputs.push_back(std::move(tokens));
    }
    for (std::size_t first = 0; first < inputs.size();) {
        std::size_t last = first;
        std::size_t rows = 0;
        while (last < inputs.size() && last - first < max_sequences_ && rows + inputs[last].size() <= batch_tokens_)
            rows += inputs[last++].size();
        stop_ = &stop;
        const auto done = run(std::span(inputs).subspan(first, last - first), result.vectors);
        stop_ = nullptr;
        if (stop()) return gone();
        WEFT_CHECK(done);
        first = last;
    }
    for (auto& vector : result.vectors) {
        if (std::ranges::any_of(vector, [](float x) { return !std::isfinite(x); }))
            return fail(ErrorCode::engine_failed, "the model computed an embedding that is not finite");
        if (request.dimensions > 0 && request.dimensions < vector.size()) vector.resize(request.dimensions);
        if (request.normalize && !request.rank_query) normalize(vector);
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
    // A ranking model gives one number for each of its classes; the first is the score.
    const auto width = model_->ranks() ? std::size_t{1} : static_cast<std::size_t>(llama_model_n_embd_out(model_->handle()));
    for (std::size_t s = 0; s < inputs.size(); ++s) {
        const float* vector = llama_get_embeddings_seq(context_.get(), static_cast<llama_seq_id>(s));
        if (vector == nullptr) return fail(ErrorCode::engine_failed, "the model gave no embedding");
        out.emplace_back(vector, vector + width);
    }
    return {};
}

}  // namespace weft
