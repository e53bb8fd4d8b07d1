#pragma once

#include <llama.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/loaded_model.h"

namespace weft {

struct ContextDeleter {
    void operator()(llama_context* context) const { llama_free(context); }
};
using ContextHandle = std::unique_ptr<llama_context, ContextDeleter>;

// The llama_context that generates: one unified KV pool for all sequences. Thread: step.
class LlamaEngine final : public Engine {
  public:
    // model_load_failed when the context does not fit into memory.
    [[nodiscard]] static Result<std::unique_ptr<LlamaEngine>> create(std::shared_ptr<const LoadedModel> model,
                                                                     const LoadMessage& message);

    [[nodiscard]] const EngineLimits& limits() const override { return limits_; }
    [[nodiscard]] Result<void> decode(std::span<const BatchRow> rows) override;
    [[nodiscard]] Result<void> decode_image(const ImageRows& rows) override;
    [[nodiscard]] std::span<const float> logits(std::size_t row) const override;
    void share_prefix(SequenceId from, SequenceId to, std::int32_t end) override;
    bool truncate(SequenceId sequence, std::int32_t from) override;
    void remove(SequenceId sequence) override;
    [[nodiscard]] std::vector<std::uint8_t> save(SequenceId sequence, std::int32_t from, std::int32_t to) override;
    [[nodiscard]] bool restore(SequenceId sequence, std::int32_t from, std::int32_t to,
                               std::span<const std::uint8_t> bytes) override;
    void interrupt() override { interrupted_ = true; }

    // What the KV cells depend on besides the tokens before them: file, libllama, and how cells are stored.
    [[nodiscard]] const std::string& identity() const { return identity_; }

  private:
    LlamaEngine(std::shared_ptr<const LoadedModel> model, ContextHandle context, EngineLimits limits, std::string identity);

    std::shared_ptr<const LoadedModel> model_;
    ContextHandle context_;
    EngineLimits limits_;
    std::string identity_;
    std::int32_t n_vocab_;
    std::atomic<bool> interrupted_{false};
    // Of the batch that is being decoded; reused.
    std::vector<llama_token> tokens_;
    std::vector<llama_pos> positions_;
    std::vector<std::int32_t> sequence_counts_;
    std::vector<llama_seq_id> sequence_ids_;
    std::vector<llama_seq_id*> sequence_pointers_;
    std::vector<std::int8_t> wants_logits_;
    std::vector<const float*> logits_;  // by row; null where none were asked for
};

// How many cells the pool gets when the configuration leaves it open: several windows, within a quarter of the memory
// that is free, at least one window.
[[nodiscard]] std::uint32_t choose_kv_cells(std::uint32_t window, std::uint64_t kv_bytes_per_token,
                                            std::uint64_t available_bytes);
[[nodiscard]] std::uint64_t available_memory_bytes();

}  // namespace weft
