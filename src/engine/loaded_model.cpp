#include "engine/loaded_model.h"

#include <ggml-backend.h>

#include <algorithm>
#include <array>
#include <mutex>

#include "base/log.h"
#include "engine/kernels.h"

namespace weft {
namespace {

// What a control token stands for in answers, if it has a meaning there at all. Control tokens have no text otherwise.
Markup markup_of_text(std::string_view text, const ReplyFormat& format) {
    static constexpr std::array thinking = {"<think>", "</think>", "[THINK]", "[/THINK]"};
    static constexpr std::array calls = {"<tool_call>", "</tool_call>", "[TOOL_CALLS]"};
    const auto is_one_of = [text](const auto& words) { return std::ranges::find(words, text) != words.end(); };
    // gpt-oss says everything on channels: without these words nothing could be told apart.
    if (format.calls == CallStyle::harmony && is_one_of(call_markers(format.calls))) return Markup::thinking;
    if (is_one_of(thinking)) return Markup::thinking;
    // A tag can be made of several tokens: <|channel>thought.
    if (!text.empty() && (format.thinking_open.contains(text) || format.thinking_close.contains(text)))
        return Markup::thinking;
    if (is_one_of(answer_markers(format))) return Markup::thinking;
    if (is_one_of(calls) || is_one_of(call_markers(format.calls))) return Markup::calls;
    return Markup::none;
}

bool is_user_defined(const llama_vocab* vocab, Token token) {
    return (llama_vocab_get_attr(vocab, token) & LLAMA_TOKEN_ATTR_USER_DEFINED) != 0;
}

bool is_thinking_tag(std::string_view text, const ReplyFormat& format) {
    return !text.empty() && (text == format.thinking_open || text == format.thinking_close);
}

// A computation that we stopped ourselves, because a client left, is no failure: libllama reports it as one.
bool tells_of_our_stop(std::string_view line) {
    static const std::string status = std::to_string(static_cast<int>(GGML_STATUS_ABORTED));
    return line.ends_with("graph_compute_async failed with error " + status) || line.ends_with("compute status: " + status);
}

void forward_log(ggml_log_level level, const char* text, void*) {
    if (level == GGML_LOG_LEVEL_CONT || text == nullptr) return;
    std::string line(text);
    while (!line.empty() && line.back() == '\n') line.pop_back();
    if (line.empty() || line.find_first_not_of('.') == std::string::npos) return;
    const bool failure = level == GGML_LOG_LEVEL_ERROR && !tells_of_our_stop(line);
    log(failure ? LogLevel::warn : LogLevel::debug, "libllama", {{"line", std::move(line)}});
}

std::string piece_of(const llama_vocab* vocab, Token token, bool special) {
    std::array<char, 64> buffer{};
    int n = llama_token_to_piece(vocab, token, buffer.data(), buffer.size(), 0, special);
    if (n >= 0) return {buffer.data(), static_cast<std::size_t>(n)};
    std::string large(static_cast<std::size_t>(-n), '\0');
    n = llama_token_to_piece(vocab, token, large.data(), static_cast<std::int32_t>(large.size()), 0, special);
    large.resize(static_cast<std::size_t>(std::max(n, 0)));
    return large;
}

}  // namespace

void initialise_backends(bool cpu_kernels) {
    static std::once_flag once;
    std::call_once(once, [cpu_kernels] {
        llama_log_set(forward_log, nullptr);
        ggml_backend_load_all();
        load_cpu_kernels(cpu_kernels);
        llama_backend_init();
    });
}

Result<std::shared_ptr<const LoadedModel>> LoadedModel::load(const LoadMessage& message) {
    auto params = llama_model_default_params();
    params.n_gpu_layers = message.gpu_layers;
    // Weights that are repacked are not read from a mapping later; it would only stand beside them.
    const bool mapped = message.use_mmap && !cpu_kernels_loaded();
    params.load_mode = mapped ? LLAMA_LOAD_MODE_MMAP : LLAMA_LOAD_MODE_NONE;
    ModelHandle model(llama_model_load_from_file(message.path.c_str(), params));
    if (!model) return fail(ErrorCode::model_load_failed, "the model file could not be loaded");
    if (llama_model_has_encoder(model.get()))
        return fail(ErrorCode::model_load_failed, "encoder-decoder models are not supported");
    if (llama_model_is_diffusion(model.get()))
        return fail(ErrorCode::model_load_failed, "diffusion models are not supported");
    if (llama_vocab_n_tokens(llama_model_get_vocab(model.get())) <= 0)
        return fail(ErrorCode::model_load_failed, "the model has no vocabulary");
    std::shared_ptr<LoadedModel> loaded(new LoadedModel(std::move(model)));
    WEFT_CHECK(loaded->load_adapters(message.adapters));
    if (const char* source = llama_model_chat_template(loaded->handle(), nullptr)) {
        auto parsed = PromptTemplate::parse(source, loaded->detokenize({llama_vocab_bos(loaded->vocab_)}, true),
                                            loaded->detokenize({llama_vocab_eos(loaded->vocab_)}, true));
        if (parsed) loaded->template_ = std::move(*parsed);
        else log_warn("prompt_template_unusable", {{"reason", loaded->template_problem_ = parsed.error().message}});
    }
    return loaded;
}

LoadedModel::LoadedModel(ModelHandle model) : model_(std::move(model)), vocab_(llama_model_get_vocab(model_.get())) {
    if (const char* source = llama_model_chat_template(model_.get(), nullptr)) reply_format_ = detect_reply_format(source);
    const auto n = llama_vocab_n_tokens(vocab_);
    bytes_.reserve(static_cast<std::size_t>(n));
    markup_.reserve(static_cast<std::size_t>(n));
    for (Token token = 0; token < n; ++token) {
        const bool control = llama_vocab_is_control(vocab_, token);
        const char* text = llama_vocab_get_text(vocab_, token);
        if (control) markup_.push_back(markup_of_text(text, reply_format_));
        // Of some models the tags are tokens that the vocabulary shows by itself.
        else markup_.push_back(is_user_defined(vocab_, token) && is_thinking_tag(text, reply_format_) ? Markup::thinking : Markup::none);
        const bool shown = !control || markup_.back() != Markup::none;
        bytes_.push_back(shown ? piece_of(vocab_, token, true) : std::string());
        longest_token_ = std::max(longest_token_, bytes_.back().size());
    }
    std::vector<std::string> special;
    for (Token token = 0; token < n; ++token) {
        // These are what llama_tokenize() looks for only when it is asked to parse special tokens.
        const auto kinds = LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN;
        if ((llama_vocab_get_attr(vocab_, token) & kinds) != 0) special.emplace_back(llama_vocab_get_text(vocab_, token));
    }
    special_texts_ = SpecialTexts(special);
    const InfillTokens infill{llama_vocab_fim_pre(vocab_), llama_vocab_fim_suf(vocab_), llama_vocab_fim_mid(vocab_),
                              llama_vocab_fim_rep(vocab_), llama_vocab_fim_sep(vocab_)};
    if (is_token(infill.prefix) && is_token(infill.suffix) && is_token(infill.middle)) infill_ = infill;
    architecture_ = metadata("general.architecture");
    causal_ = metadata(architecture_ + ".attention.causal") != "false" &&
              architecture_.find("bert") == std::string::npos && architecture_ != "t5encoder";
    has_pooling_ = !metadata(architecture_ + ".pooling_type").empty();
    ranks_ = metadata(architecture_ + ".pooling_type") == std::to_string(LLAMA_POOLING_TYPE_RANK);
}

Result<void> LoadedModel::load_adapters(const std::vector<LoadedAdapter>& adapters) {
    for (const auto& wanted : adapters) {
        auto* adapter = llama_adapter_lora_init(model_.get(), wanted.path.c_str());
        if (adapter == nullptr) return fail(ErrorCode::model_load_failed, "an adapter could not be loaded: it does not fit the model");
        adapters_.push_back(adapter);
        adapter_scales_.push_back(wanted.scale);
    }
    return {};
}

Result<void> LoadedModel::apply_adapters(llama_context* context) const {
    if (adapters_.empty()) return {};
    auto adapters = adapters_;  // libllama wants them mutable and changes neither
    auto scales = adapter_scales_;
    if (llama_set_adapters_lora(context, adapters.data(), adapters.size(), scales.data()) != 0)
        return fail(ErrorCode::model_load_failed, "the model's adapters could not be applied");
    return {};
}

bool LoadedModel::ends_generation(Token token) const { return llama_vocab_is_eog(vocab_, token); }

std::vector<Token> LoadedModel::tokenize(std::string_view text, bool parse_special) const {
    if (text.empty()) return {};
    // One token per byte at most, and two for what a tokenizer adds.
    std::vector<Token> tokens(text.size() + 2);
    auto n = llama_tokenize(vocab_, text.data(), static_cast<std::int32_t>(text.size()), tokens.data(),
                            static_cast<std::int32_t>(tokens.size()), false, parse_special);
    if (n < 0) {
        tokens.resize(static_cast<std::size_t>(-n));
        n = llama_tokenize(vocab_, text.data(), static_cast<std::int32_t>(text.size()), tokens.data(),
                           static_cast<std::int32_t>(tokens.size()), false, parse_special);
    }
    tokens.resize(static_cast<std::size_t>(std::max(n, 0)));
    return tokens;
}

std::vector<Token> LoadedModel::with_bos(std::vector<Token> tokens) const {
    const auto bos = llama_vocab_bos(vocab_);
    if (llama_vocab_get_add_bos(vocab_) && is_token(bos) && (tokens.empty() || tokens.front() != bos))
        tokens.insert(tokens.begin(), bos);
    return tokens;
}

std::vector<Token> LoadedModel::with_specials(std::vector<Token> tokens) const {
    tokens = with_bos(std::move(tokens));
    const auto eos = llama_vocab_type(vocab_) == LLAMA_VOCAB_TYPE_WPM ? llama_vocab_sep(vocab_) : llama_vocab_eos(vocab_);
    const bool add = llama_vocab_get_add_eos(vocab_) || llama_vocab_get_add_sep(vocab_);
    if (add && is_token(eos) && (tokens.empty() || tokens.back() != eos)) tokens.push_back(eos);
    return tokens;
}

std::vector<Token> LoadedModel::beginning() const {
    for (const auto token : {llama_vocab_bos(vocab_), llama_vocab_eos(vocab_), llama_vocab_eot(vocab_)})
        if (is_token(token)) return {token};
    return {};
}

std::string LoadedModel::detokenize(const std::vector<Token>& tokens, bool special) const {
    std::string text;
    for (const auto token : tokens) {
        if (!is_token(token)) continue;
        text += special ? piece_of(vocab_, token, true) : std::string(bytes_of(token));
    }
    return text;
}

std::string LoadedModel::text_of(const std::vector<Token>& tokens) const {
    std::vector<Token> known;
    for (const auto token : tokens)
        if (is_token(token)) known.push_back(token);
    std::string text(known.size() * 8 + 16, '\0');
    const auto put = [&] {
        return llama_detokenize(vocab_, known.data(), static_cast<std::int32_t>(known.size()), text.data(),
                                static_cast<std::int32_t>(text.size()), false, true);
    };
    auto n = put();
    if (n < 0) {
        text.resize(static_cast<std::size_t>(-n));
        n = put();
    }
    text.resize(static_cast<std::size_t>(std::max(n, 0)));
    return text;
}

std::uint32_t LoadedModel::trained_context() const {
    return static_cast<std::uint32_t>(std::max(llama_model_n_ctx_train(model_.get()), 0));
}

bool LoadedModel::is_recurrent() const {
    return llama_model_is_recurrent(model_.get()) || llama_model_is_hybrid(model_.get());
}

ggml_type kv_type(const std::string& name) {
    if (name == "q8_0") return GGML_TYPE_Q8_0;
    if (name == "q4_0") return GGML_TYPE_Q4_0;
    if (name == "f32") return GGML_TYPE_F32;
    return GGML_TYPE_F16;
}

std::uint64_t LoadedModel::kv_bytes_per_token(ggml_type type) const {
    const auto heads = static_cast<std::uint64_t>(std::max(llama_model_n_head(model_.get()), 1));
    const auto kv_heads = static_cast<std::uint64_t>(std::max(llama_model_n_head_kv(model_.get()), 1));
    const auto layers = static_cast<std::uint64_t>(std::max(llama_model_n_layer(model_.get()), 1));
    const std::uint64_t head = static_cast<std::uint64_t>(llama_model_n_embd(model_.get())) / heads;
    const auto length = [&](const char* name) {
        const auto text = metadata(architecture_ + name);
        return text.empty() ? head : std::strtoull(text.c_str(), nullptr, 10);
    };
    const auto values = layers * kv_heads * (length(".attention.key_length") + length(".attention.value_length"));
    return values * ggml_type_size(type) / static_cast<std::uint64_t>(ggml_blck_size(type));
}

std::string LoadedModel::metadata(const std::string& key) const {
    std::array<char, 256> buffer{};
    const auto n = llama_model_meta_val_str(model_.get(), key.c_str(), buffer.data(), buffer.size());
    return n < 0 ? std::string() : std::string(buffer.data(), std::min<std::size_t>(static_cast<std::size_t>(n), buffer.size() - 1));
}

ModelDescription LoadedModel::describe() const {
    std::array<char, 256> summary{};
    llama_model_desc(model_.get(), summary.data(), summary.size());
    return {.architecture = architecture_,
            .summary = summary.data(),
            .weights_bytes = llama_model_size(model_.get()),
            .parameters = llama_model_n_params(model_.get()),
            .vocabulary = static_cast<std::uint32_t>(size()),
            .embedding_length = static_cast<std::uint32_t>(llama_model_n_embd(model_.get())),
            .trained_context = trained_context(),
            .generates = generates(),
            .embeds = true,
            .infills = infill_.has_value(),
            .template_takes_tools = template_ && template_->takes_tools(),
            .template_thinks = template_ && template_->thinks(),
            .has_template = template_.has_value(),
            .reply_format = template_ ? reply_format_ : ReplyFormat{}};
}

}  // namespace weft
