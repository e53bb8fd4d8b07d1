#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "runner/generation.h"

namespace weft {

// libllama's id of one sequence in the KV cache, 0 <= id < EngineLimits::max_sequences.
enum class SequenceId : std::int32_t {};

// One token of one decode call.
struct BatchRow {
    Token token = 0;
    std::int32_t position = 0;  // in its sequence, from 0
    SequenceId sequence{};
    bool wants_logits = false;
};

// What a model's memory can do, found out at load.
enum class MemoryKind : std::uint8_t {
    tree,    // a prefix is cells: sequences share them, and a sequence can be cut anywhere
    states,  // recurrent and hybrid: what came before is one state, which can only be copied whole
    none,    // nothing of one sequence may come from another
};

// What the model's memory and the context can do. Constant after load.
struct EngineLimits {
    std::int32_t kv_cells = 0;        // of the unified pool; each token of each sequence takes one, shared ones count once
    std::int32_t max_sequences = 0;   // sequence ids
    std::int32_t max_batch_rows = 0;  // rows of one decode call
    std::int32_t max_outputs = 0;     // rows of one decode call that want logits
    std::int32_t context_tokens = 0;  // window of one sequence
    MemoryKind memory = MemoryKind::tree;
};

// The seam between scheduler and libllama; tests replace it by a fake with scripted logits. Thread: step.
class Engine {
  public:
    virtual ~Engine() = default;

    [[nodiscard]] virtual const EngineLimits& limits() const = 0;

    // One forward pass. Takes one KV cell per row. The caller has made sure that the cells are there.
    // engine_failed when libllama reports an error, cancelled after interrupt(); the rows of that call are then not in the
    // KV cache.
    [[nodiscard]] virtual Result<void> decode(std::span<const BatchRow> rows) = 0;

    // Logits of row `row` of the last decode, which must have asked for them. [n_vocab], float32.
    // Borrowed: valid until the next decode().
    [[nodiscard]] virtual std::span<const float> logits(std::size_t row) const = 0;

    // Lets `to`, which is empty, share the cells of the first `tokens` tokens of `from`. Copies nothing. Memory of kind tree
    // only.
    virtual void share_prefix(SequenceId from, SequenceId to, std::int32_t tokens) = 0;

    // Drops the tokens from position `from` on. False when this memory cannot.
    virtual bool truncate(SequenceId sequence, std::int32_t from) = 0;

    virtual void remove(SequenceId sequence) = 0;

    // The cells of tokens [from, to) as bytes that restore() takes back on the same model, build and KV type, bit by bit.
    // Memory of kind states: all that the sequence holds, from 0 on. Empty when this memory cannot.
    [[nodiscard]] virtual std::vector<std::uint8_t> save(SequenceId sequence, std::int32_t from, std::int32_t to) = 0;

    // Puts such bytes behind the `from` tokens that the sequence holds; takes to - from free cells. False, and nothing
    // changed, when libllama does not want them.
    [[nodiscard]] virtual bool restore(SequenceId sequence, std::int32_t from, std::int32_t to,
                                       std::span<const std::uint8_t> bytes) = 0;

    // Ends the decode() that runs now, if one does, within a few operations of its graph. Thread: any. Not for memory that
    // cannot be truncated: what the call left there could not be taken back.
    virtual void interrupt() = 0;
};

}  // namespace weft
