#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runner/generation.h"

namespace weft {

// What may come next, by what came before: the tokens that followed the newest earlier place where the last few tokens
// stood (four of them if possible, at least three). At most `most`, none if there is no such place. Pure.
[[nodiscard]] std::span<const Token> look_up_prompt(std::span<const Token> tokens, std::size_t most);

// How far ahead it pays to guess in one sequence, by how many of its guesses were right. Goes by what was sampled only,
// never by time, so that the same request guesses the same. Thread: step.
class GuessMeter {
  public:
    // `cost` of making a guess, as a part of computing a token: so much more of them must be right.
    explicit GuessMeter(double cost = 0);
    // Tokens to guess at most in the next step; 0 while guessing does not pay.
    [[nodiscard]] std::size_t length() const { return resting_ > 0 ? 0 : length_; }
    // After each step in which it could have guessed: how many were guessed, and right.
    void note(std::size_t guessed, std::size_t right);

  private:
    double worth_;               // part that must be right for it to pay
    double right_;               // part that is right, newest ones weigh most
    std::size_t length_ = 4;
    std::size_t resting_ = 0;    // steps without guessing
};

// How many tokens one of `decode_rows` sequences may guess: a batch that is full already gains nothing. Pure.
[[nodiscard]] std::size_t guesses_allowed(std::size_t decode_rows);

}  // namespace weft
