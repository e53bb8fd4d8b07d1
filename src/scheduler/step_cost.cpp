#include "scheduler/step_cost.h"

#include <algorithm>
#include <limits>

namespace weft {
namespace {

// A call with fewer prompt tokens says little about their speed, unless it takes much longer than one without.
constexpr std::int32_t least_telling_tokens = 16;
constexpr double newest_weight = 0.2;  // of the newest call in what calls take without prompt tokens
constexpr double kept = 0.95;          // of what older calls with prompt tokens say, with every newer one
// Of a call's time at least this is put down to its prompt tokens, however long calls without them took lately.
constexpr double least_share = 0.2;
// Where calls that are all alike leave open what is the tokens' and what the cells', it is the tokens'.
constexpr double ridge = 1e-4;
constexpr double thousand = 1000;

double seconds_of(Duration time) { return std::max(0.0, std::chrono::duration<double>(time).count()); }

}  // namespace

void StepCost::learn(const StepWork& work, Duration took) {
    const double seconds = seconds_of(took);
    if (seconds <= 0) return;
    if (work.prefill_tokens == 0) {
        base_s_ = base_s_ == 0 ? seconds : (1 - newest_weight) * base_s_ + newest_weight * seconds;
        return;
    }
    if (work.prefill_tokens < least_telling_tokens && (base_s_ == 0 || seconds < 2 * base_s_)) return;
    const double own = std::max(seconds - base_s_, least_share * seconds);
    const double tokens = work.prefill_tokens / own, cells = work.prefill_cells / thousand / own;
    for (double* sum : {&tokens_tokens_, &tokens_cells_, &cells_cells_, &tokens_one_, &cells_one_}) *sum *= kept;
    tokens_tokens_ += tokens * tokens, tokens_cells_ += tokens * cells, cells_cells_ += cells * cells;
    tokens_one_ += tokens, cells_one_ += cells;
    solve();
}

void StepCost::solve() {
    const double tt = tokens_tokens_, cc = cells_cells_ * (1 + ridge);
    const double determinant = tt * cc - tokens_cells_ * tokens_cells_;
    token_s_ = tokens_one_ / tt, cell_s_ = 0;
    if (determinant <= 0) return;
    const double token = (tokens_one_ * cc - cells_one_ * tokens_cells_) / determinant;
    const double cell = (cells_one_ * tt - tokens_one_ * tokens_cells_) / determinant;
    if (cell <= 0) return;
    // A token takes some time of its own, whatever noise says.
    token_s_ = std::max(token, 0.05 * token_s_);
    cell_s_ = token >= token_s_ ? cell : std::max(0.0, (cells_one_ - token_s_ * tokens_cells_) / cc);
}

std::int32_t StepCost::tokens_within(Duration time) const {
    const double tokens = known() ? (seconds_of(time) - base_s_) / token_s_ : 0;
    return static_cast<std::int32_t>(std::clamp(tokens, 0.0, double{std::numeric_limits<std::int32_t>::max()}));
}

double StepCost::token_weight(std::int32_t depth) const { return known() ? 1 + cell_s_ * depth / thousand / token_s_ : 1; }

double StepCost::prefill_seconds(double tokens) const { return tokens * (token_s_ + cell_s_ * tokens / 2 / thousand); }

}  // namespace weft
