#include "scheduler/step_sampling.h"

namespace weft {
namespace {

// Samples the pending token's successor and goes on as long as it is what was guessed. How many tokens came of it.
std::int32_t sample_guessed(const Engine& engine, const Vocabulary& vocabulary, Sequence& sequence, std::size_t first_row) {
    std::int32_t sampled = 0;
    for (std::size_t row = 0; row <= sequence.guesses.size(); ++row) {
        sequence.sample(engine.logits(first_row + row), vocabulary);
        ++sampled;
        if (sequence.finished() || row == sequence.guesses.size() || sequence.tokens.back() != sequence.guesses[row]) break;
    }
    return sampled;
}

void score_rows(const Engine& engine, const Vocabulary& vocabulary, const Sampled& item) {
    const std::int32_t scored = item.completes ? item.rows - 1 : item.rows;
    for (std::int32_t r = 0; r < scored; ++r)
        item.sequence->score_prompt(engine.logits(item.first_row + static_cast<std::size_t>(r)), item.first_position + r, vocabulary);
}

void sample_one(const Engine& engine, const Vocabulary& vocabulary, Sampled& item) {
    if (item.decodes) {
        item.tokens = sample_guessed(engine, vocabulary, *item.sequence, item.first_row);
        return;
    }
    if (item.sequence->scores_prompt()) score_rows(engine, vocabulary, item);
    if (!item.completes) return;
    if (item.sequence->request->request().max_tokens == 0U) return item.sequence->finish_with(FinishReason::length);
    item.sequence->sample(engine.logits(item.first_row + static_cast<std::size_t>(item.rows) - 1), vocabulary);
    item.tokens = 1;
}

}  // namespace

std::vector<Sampled> sample_slices(const Engine& engine, const Vocabulary& vocabulary, SamplerPool& pool,
                                   const std::vector<SequencePtr>& running, const std::vector<Slice>& slices) {
    std::vector<Sampled> items;
    std::size_t row = 0;
    for (const auto& slice : slices) {
        auto& sequence = *running[slice.running];
        if (slice.completes || sequence.scores_prompt())
            items.push_back({.sequence = &sequence,
                             .first_row = row,
                             .rows = slice.tokens,
                             .first_position = sequence.computed - slice.tokens,
                             .completes = slice.completes,
                             .decodes = sequence.generated() > 0 &&
                                        slice.tokens == 1 + static_cast<std::int32_t>(sequence.guesses.size())});
        row += static_cast<std::size_t>(slice.tokens);
    }
    pool.for_each(items.size(), [&](std::size_t i) { sample_one(engine, vocabulary, items[i]); });
    return items;
}

}  // namespace weft
