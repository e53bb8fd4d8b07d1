#pragma once

#include <cstdint>

#include "base/clock.h"
#include "runner/engine_metrics.h"
#include "scheduler/batch_planner.h"
#include "scheduler/sequence.h"

namespace weft {

// What the step loop measures: how fast prompts are computed, which sizes the chunks and judges deadlines, and the
// histograms that are told outside. Thread: step.
class StepMeter {
  public:
    void step(const BatchPlan& plan, Duration took);
    void tokens(Sequence& sequence, TimePoint now, std::int32_t count);
    void request(const RequestState& request, TimePoint now);

    // Tokens a second of a prefill among others; 0 until it is known.
    [[nodiscard]] double prefill_speed() const { return prefill_tokens_per_second_; }
    // Tokens that fit into this time, between `least` and `most`; `unknown` until the speed is known.
    [[nodiscard]] std::int32_t tokens_within(Duration time, std::int32_t least, std::int32_t most,
                                             std::int32_t unknown) const;

    EngineMetrics metrics;

  private:
    double prefill_tokens_per_second_ = 0;
};

}  // namespace weft
