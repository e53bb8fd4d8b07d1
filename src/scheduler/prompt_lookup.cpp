#include "scheduler/prompt_lookup.h"

#include <algorithm>

namespace weft {
namespace {

constexpr std::size_t longest_clue = 4, shortest_clue = 3;
// Further back is not looked: the search runs on the step thread.
constexpr std::size_t tokens_searched = 16'384;

// A sequence alone stays below 32 rows a call: from there on the CPU kernels compute in another arithmetic, and its answer
// might depend on how much was guessed.
constexpr std::size_t longest_guess = 30;
constexpr double newest_hit_weight = 0.2;
// A row beyond the first costs a good part of a step on a processor, little on others: below this it is not worth it.
constexpr double worth_guessing = 0.3;
// A guesser gets this much more credit than it needs before anything is known of it.
constexpr double first_credit = 0.2;
constexpr double always_worth = 0.95;
constexpr std::size_t rest_steps = 48;

constexpr std::size_t guessed_rows = longest_guess;  // of all sequences together
constexpr std::size_t most_sequences = 8;

}  // namespace

std::span<const Token> look_up_prompt(std::span<const Token> tokens, std::size_t most) {
    if (most == 0) return {};
    const auto from = tokens.size() - std::min(tokens.size(), tokens_searched);
    for (auto n = longest_clue; n >= shortest_clue; --n) {
        if (tokens.size() - from < n + 1) continue;
        const auto clue = tokens.last(n);
        const auto searched = tokens.subspan(from, tokens.size() - from - 1);
        const auto found = std::ranges::find_end(searched, clue);
        if (found.empty()) continue;
        const auto next = from + static_cast<std::size_t>(found.end() - searched.begin());
        return tokens.subspan(next, std::min(most, tokens.size() - next));
    }
    return {};
}

GuessMeter::GuessMeter(double cost) : worth_(std::min(worth_guessing + cost, always_worth)), right_(worth_ + first_credit) {}

void GuessMeter::note(std::size_t guessed, std::size_t right) {
    if (resting_ > 0 && --resting_ == 0) right_ = worth_ + first_credit, length_ = 2;
    if (guessed == 0) return;
    const auto part = static_cast<double>(right) / static_cast<double>(guessed);
    right_ = (1 - newest_hit_weight) * right_ + newest_hit_weight * part;
    if (right == guessed) length_ = std::min(2 * length_, longest_guess);
    else if (part < 0.5) length_ = std::max<std::size_t>(length_ / 2, 2);
    if (right_ < worth_) resting_ = rest_steps;
}

std::size_t guesses_allowed(std::size_t decode_rows) {
    return decode_rows == 0 || decode_rows > most_sequences ? 0 : guessed_rows / decode_rows;
}

}  // namespace weft
