#pragma once

#include <cstdint>

#include "base/clock.h"
#include "runner/engine_metrics.h"
#include "scheduler/batch_planner.h"
#include "scheduler/sequence.h"
#include "scheduler/step_cost.h"

namespace weft {

// What the step loop measures: how long its calls take, which sizes the chunks and judges deadlines, and the
// histograms that are told outside. Thread: step.
class StepMeter {
  public:
    void step(const BatchPlan& plan, const StepWork& work, Duration took);
    void tokens(Sequence& sequence, TimePoint now, std::int32_t count);
    void request(const RequestState& request, TimePoint now);

    [[nodiscard]] const StepCost& cost() const { return cost_; }

    EngineMetrics metrics;

  private:
    StepCost cost_;
};

}  // namespace weft
