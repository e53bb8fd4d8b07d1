#pragma once

#include <memory>
#include <vector>

#include "scheduler/draft_model.h"
#include "scheduler/fair_share.h"
#include "scheduler/waiting_queue.h"

namespace weft {

// Speculation: what those who decode could be about to say, looked up in the text before or asked of a small model. The
// guesses are rows of the same decode call; every token is still sampled from the large model's own distribution, and
// what was guessed wrong is taken back. Thread: step.
class Guesser {
  public:
    struct Options {
        bool looks_up = false;
        DraftModel* draft = nullptr;   // null: none
        double draft_cost = 0;         // one decode of it, as a part of one of the large model
    };
    explicit Guesser(Options options) : options_(options) {}

    [[nodiscard]] bool enabled() const { return options_.looks_up || options_.draft != nullptr; }
    // Fills the guesses of all running sequences, mostly with nothing.
    void guess(const std::vector<SequencePtr>& running);
    // After a step in which the sequence decoded: how many were computed, and right.
    void note(Sequence& sequence, std::size_t guessed, std::size_t right);
    // The sequence no longer runs.
    void forget(const Sequence& sequence);

    [[nodiscard]] const DraftModel* draft_model() const { return options_.draft; }

  private:
    [[nodiscard]] GuessMeter& draft_meter(Sequence& sequence) const;

    const Options options_;
};

}  // namespace weft
