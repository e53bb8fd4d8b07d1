#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "scheduler/kv_pool.h"

namespace weft {

// A prompt that began with shared or restored cells, and the logits of its last token.
struct PrefixSuspect {
    std::uint64_t request = 0;
    std::vector<Token> tokens;
    std::int32_t reused_tokens = 0;
    std::vector<float> logits;
};

struct PrefixVerdict {
    float largest_difference = 0;  // of a logit
    bool same_choice = false;      // the most likely token is the same
};

// For debugging: computes the prompt once more with cells of its own and compares. Rounding differs with the size of
// chunks, so that small differences are right. Nothing when there is no id or are no cells for it, or the engine fails.
// Thread: step, between two steps.
[[nodiscard]] std::optional<PrefixVerdict> check_prefix(Engine& engine, KvPool& kv, const PrefixSuspect& suspect);

// The same, told in the log: "prefix_checked", as a warning when the choice differs.
void check_and_tell(Engine& engine, KvPool& kv, const PrefixSuspect& suspect);

}  // namespace weft
