#pragma once

#include <cstdint>

#include "base/clock.h"

namespace weft {

// What a decode call was about, as far as its duration goes.
struct StepWork {
    std::int32_t prefill_tokens = 0;
    double prefill_cells = 0;  // that these tokens look at: the sum over them of what stands before each in its sequence
};

// How long decode calls take, learned from those that were made: calls without prompt tokens take `base`, and each prompt
// token adds its own time and that of the cells it looks at. Deep in a long prompt the cells are most of it. Old calls
// are forgotten, because the machine has other work as well. Thread: the owner's.
class StepCost {
  public:
    void learn(const StepWork& work, Duration took);

    [[nodiscard]] bool known() const { return token_s_ > 0; }
    // Prompt tokens at the beginning of a sequence that fit into this time beside what a call takes anyway; 0 or more.
    [[nodiscard]] std::int32_t tokens_within(Duration time) const;
    // How many tokens at the beginning of a sequence take as long as one behind `depth` others; 1 or more.
    [[nodiscard]] double token_weight(std::int32_t depth) const;
    // How long a prompt of that many tokens takes alone, without what its calls take anyway. Seconds.
    [[nodiscard]] double prefill_seconds(double tokens) const;

  private:
    void solve();

    double base_s_ = 0;   // a call without prompt tokens
    double token_s_ = 0;  // of one prompt token; 0 = not known yet
    double cell_s_ = 0;   // and of a thousand cells it looks at
    // Least squares over relative errors: sums of products of tokens, thousands of cells and 1, each divided by the time.
    double tokens_tokens_ = 0, tokens_cells_ = 0, cells_cells_ = 0, tokens_one_ = 0, cells_one_ = 0;
};

}  // namespace weft
