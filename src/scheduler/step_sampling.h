#pragma once

#include <vector>

#include "engine/engine.h"
#include "engine/vocabulary.h"
#include "scheduler/batch_planner.h"
#include "scheduler/sampler_pool.h"
#include "scheduler/waiting_queue.h"

namespace weft {

// What a step's logits gave one sequence.
struct Sampled {
    Sequence* sequence = nullptr;
    std::size_t first_row = 0;        // of the decode call
    std::int32_t rows = 0;
    std::int32_t first_position = 0;
    bool completes = false;           // a token was due
    bool decodes = false;             // its rows are the pending token and guesses
    std::int32_t tokens = 0;          // sampled; with guesses that were right more than one
};

// Samples the sequences of a step, or scores their prompts, on the pool: those of `slices` whose logits were asked for,
// after their rows were computed and counted. Guesses are followed as long as they are what is sampled.
[[nodiscard]] std::vector<Sampled> sample_slices(const Engine& engine, const Vocabulary& vocabulary, SamplerPool& pool,
                                                 const std::vector<SequencePtr>& running, const std::vector<Slice>& slices);

}  // namespace weft
