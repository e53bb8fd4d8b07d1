#pragma once

#include <functional>
#include <memory>

#include "engine/llama_engine.h"
#include "runner/generation.h"

namespace weft {

// The llama_context that embeds, made at the first request for it: pooled vectors of whole inputs. The model's own
// pooling, or the mean for models that name none; a ranking model's score of a query and a document. Thread: embed.
class Embedder {
  public:
    [[nodiscard]] static Result<std::unique_ptr<Embedder>> create(std::shared_ptr<const LoadedModel> model,
                                                                  const LoadMessage& message);

    // In the order of the inputs, many per batch; what shares a batch does not change a result.
    // context_overflow when an input is too long and may not be cut; invalid_request for unknown tokens.
    // `stop` is asked between batches and within them; cancelled when it says true.
    [[nodiscard]] Result<EmbedResult> embed(const EmbedRequest& request, const std::function<bool()>& stop);

    // What the context takes: its cells, and about what a batch needs besides.
    [[nodiscard]] std::uint64_t context_bytes() const;

  private:
    Embedder(std::shared_ptr<const LoadedModel> model, ContextHandle context, std::uint32_t batch_tokens,
             std::uint32_t max_sequences);
    [[nodiscard]] std::vector<Token> first_tokens(const std::string& text, std::size_t window) const;
    [[nodiscard]] Result<std::vector<Token>> tokens_of(const std::variant<std::string, std::vector<Token>>& input,
                                                       bool truncate, std::size_t window, std::size_t index) const;
    // What a ranking model reads: its own "rerank" pattern when it brings one, else query, separators, document.
    [[nodiscard]] Result<std::vector<Token>> pair_of(const std::string& query,
                                                     const std::variant<std::string, std::vector<Token>>& input,
                                                     bool truncate, std::size_t window) const;
    [[nodiscard]] Result<std::vector<Token>> rendered_pair(std::string_view pattern, const std::string& query,
                                                           const std::string& document, bool truncate, std::size_t window) const;
    [[nodiscard]] Result<void> check_kind(const EmbedRequest& request) const;
    [[nodiscard]] Result<void> run(std::span<const std::vector<Token>> inputs, std::vector<std::vector<float>>& out);

    std::shared_ptr<const LoadedModel> model_;
    ContextHandle context_;
    std::uint32_t batch_tokens_;   // longest input, and sum of the inputs of one batch
    std::uint32_t max_sequences_;
    const std::function<bool()>* stop_ = nullptr;  // of the request that is computed
};

}  // namespace weft
