#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "scheduler/kv_pool.h"
#include "scheduler/step_cost.h"

namespace weft {

// What one sequence would like to have guessed.
struct DraftWish {
    std::uint64_t sequence = 0;         // any number that is its own
    std::span<const Token> tokens;      // all of them; the guesses follow
    std::string scope;                  // with whom it may share cells
    std::size_t most = 0;
    std::vector<Token>* guesses = nullptr;
};

// A small model that guesses for a large one, with a KV pool of its own. Its most likely tokens are the guesses, as long as
// it is sure enough of them; whether they are right is for the large model to say. Sequences are guessed for together, one
// decode call for each further token. Thread: step.
class DraftModel {
  public:
    // `vocabulary_size` is the large model's: it may have a few tokens less or more. `patience` is what running streams
    // wait for while it catches up with one of them, each step.
    DraftModel(Engine& engine, std::int32_t vocabulary_size, const Clock& clock, Duration patience);

    // Fills the guesses, some or none. A sequence that it has not seen or not followed lately is caught up with first, a
    // bounded number of tokens a call, and guessed for once that is done.
    void draft(std::span<DraftWish> wishes);

    // Its cells stay for others that begin alike, until they are needed.
    void forget(std::uint64_t sequence);

    [[nodiscard]] std::uint64_t steps() const { return steps_; }
    [[nodiscard]] const KvPool& kv() const { return kv_; }

  private:
    struct Followed {
        SequenceId id{-1};
        std::vector<Token> tokens;  // that it holds
        std::string scope;
        std::uint64_t last_used = 0;
    };
    // One that is guessed for, and which row of the last call tells how it goes on.
    struct Guessed {
        DraftWish* wish;
        Followed* followed;
        std::size_t row;
    };

    // Cut to what it has in common with the wish. Null when there is no id for it.
    [[nodiscard]] Followed* follow(const DraftWish& wish);
    [[nodiscard]] SequenceId start(PrefixMatch& match);
    // Lets go of those that nobody asked for in this call.
    void drop_idle();
    [[nodiscard]] bool make_room(std::size_t cells);
    // Computes what is missing of these sequences; those that are complete then.
    [[nodiscard]] std::vector<Guessed> catch_up(std::span<DraftWish> wishes);
    // Adds a guess to each that is sure of one; the others are dropped.
    void guess(std::vector<Guessed>& guessed) const;
    // The rows of a followed sequence follow each other.
    [[nodiscard]] bool decode(const std::vector<BatchRow>& rows);
    void forget_all();

    Engine& engine_;
    KvPool kv_;
    const std::int32_t vocabulary_size_;
    const Clock& clock_;
    const Duration patience_;
    StepCost cost_;
    std::unordered_map<std::uint64_t, Followed> followed_;
    std::uint64_t uses_ = 0;
    std::uint64_t steps_ = 0;
};

}  // namespace weft
