#pragma once

#include <llama.h>

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/prompt_template.h"
#include "engine/special_texts.h"
#include "engine/vocabulary.h"
#include "runner/messages.h"

namespace weft {

struct ModelDeleter {
    void operator()(llama_model* model) const { llama_model_free(model); }
};
using ModelHandle = std::unique_ptr<llama_model, ModelDeleter>;

// Registers ggml's back ends and sends libllama's own log lines to ours. Once per process, before anything else here.
// cpu_kernels: with the project's own kernels, where they run.
void initialise_backends(bool cpu_kernels);

// A KV cache type by its name in LoadMessage; f16 for any other.
[[nodiscard]] ggml_type kv_type(const std::string& name);

// What a model is: weights, vocabulary, prompt template. Constant after load; any thread.
class LoadedModel final : public Vocabulary {
  public:
    // model_load_failed for a file that libllama refuses or a kind of model that cannot be served.
    [[nodiscard]] static Result<std::shared_ptr<const LoadedModel>> load(const LoadMessage& message);

    [[nodiscard]] llama_model* handle() const { return model_.get(); }
    [[nodiscard]] const PromptTemplate* prompt_template() const { return template_ ? &*template_ : nullptr; }
    // Why the template that the model brings cannot be used; empty when it can or there is none.
    [[nodiscard]] const std::string& template_problem() const { return template_problem_; }

    // ---- vocabulary ----
    [[nodiscard]] std::int32_t size() const override { return static_cast<std::int32_t>(bytes_.size()); }
    [[nodiscard]] std::string_view bytes_of(Token token) const override {
        return bytes_[static_cast<std::size_t>(token)];
    }
    [[nodiscard]] Markup markup_of(Token token) const override { return markup_[static_cast<std::size_t>(token)]; }
    [[nodiscard]] bool ends_generation(Token token) const override;

    // As it is: nothing is added. parse_special: "<|im_start|>" in the text is that token.
    [[nodiscard]] std::vector<Token> tokenize(std::string_view text, bool parse_special) const;
    // With BOS in front, exactly once, if the vocabulary asks for it; with EOS behind when `closed` and asked for.
    [[nodiscard]] std::vector<Token> with_bos(std::vector<Token> tokens) const;
    [[nodiscard]] std::vector<Token> with_specials(std::vector<Token> tokens) const;
    // What a text begins with that nobody has begun: BOS, or the end of the one before. No token where there is neither.
    [[nodiscard]] std::vector<Token> beginning() const;
    // Bytes of the tokens joined, special tokens as their text if asked.
    [[nodiscard]] std::string detokenize(const std::vector<Token>& tokens, bool special) const;
    // The text that the tokens stand for, special ones as theirs: what tokenize() made of a text gives that text, without
    // the space that some vocabularies put in front of it.
    [[nodiscard]] std::string text_of(const std::vector<Token>& tokens) const;
    // Bytes of the longest token.
    [[nodiscard]] std::size_t longest_token() const { return longest_token_; }
    [[nodiscard]] bool is_token(Token token) const { return token >= 0 && token < size(); }

    struct InfillTokens {
        Token prefix, suffix, middle;
        Token repository, file;  // before other files, before each of them; no tokens in many vocabularies
    };
    [[nodiscard]] const std::optional<InfillTokens>& infill() const { return infill_; }

    // Of the tokens that only templates and raw prompts may write.
    [[nodiscard]] const SpecialTexts& special_texts() const { return special_texts_; }

    // ---- what it is ----
    [[nodiscard]] const ReplyFormat& reply_format() const { return reply_format_; }
    [[nodiscard]] const std::string& architecture() const { return architecture_; }
    [[nodiscard]] std::uint32_t trained_context() const;
    [[nodiscard]] bool causal() const { return causal_; }
    [[nodiscard]] bool has_pooling() const { return has_pooling_; }
    // Gives one score for a query and a document instead of vectors.
    [[nodiscard]] bool ranks() const { return ranks_; }
    // Lays the model's adapters over what a new context computes. model_load_failed when libllama refuses.
    [[nodiscard]] Result<void> apply_adapters(llama_context* context) const;
    [[nodiscard]] bool generates() const { return causal_ && !has_pooling_; }
    // Whether its file says that its memory is recurrent, at least in part.
    [[nodiscard]] bool is_recurrent() const;
    // A token with a meaning of its own, such as the beginning of a message, and not text.
    [[nodiscard]] bool is_control(Token token) const { return llama_vocab_is_control(vocab_, token); }
    // Estimated bytes of KV cache for one token.
    [[nodiscard]] std::uint64_t kv_bytes_per_token(ggml_type type) const;
    // A metadata value as text; empty when it is absent.
    [[nodiscard]] std::string metadata(const std::string& key) const;
    [[nodiscard]] ModelDescription describe() const;

  private:
    explicit LoadedModel(ModelHandle model);
    [[nodiscard]] Result<void> load_adapters(const std::vector<LoadedAdapter>& adapters);

    ModelHandle model_;
    const llama_vocab* vocab_;
    ReplyFormat reply_format_{};      // as the prompt template tells
    std::vector<std::string> bytes_;  // of every token
    std::size_t longest_token_ = 0;
    std::vector<Markup> markup_;      // the same
    SpecialTexts special_texts_{{}};
    std::optional<InfillTokens> infill_;
    std::optional<PromptTemplate> template_;
    std::string template_problem_;
    std::string architecture_;
    bool causal_ = true;
    bool has_pooling_ = false;
    bool ranks_ = false;
    std::vector<llama_adapter_lora*> adapters_;  // owned by the model
    std::vector<float> adapter_scales_;
};

}  // namespace weft
