#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "runner/messages.h"
#include "scheduler/event_sink.h"
#include "scheduler/kv_pool.h"
#include "scheduler/step_meter.h"
#include "scheduler/waiting_queue.h"

namespace weft {

// What the step loop tells the gateway: the events of a step in one frame, how each request ended, and heartbeats with
// all numbers. Thread: step.
class Reporter {
  public:
    Reporter(EventSink& sink, const Clock& clock, std::chrono::milliseconds beat_every)
        : sink_(sink), clock_(clock), beat_every_(beat_every) {}

    // ---- events ----
    void emit(std::uint64_t id, GenerationEvent event);
    // A choice is over: its finish, or the error that ends its whole request.
    void choice_over(Sequence& sequence);
    // All choices are: exactly one of GenerationDone and Error is sent for each request.
    void request_over(RequestState& request);
    void refused_deadline(RequestState& request, const Error& error);
    // One frame with all events since the last one, if there are any.
    void flush();

    // ---- numbers ----
    [[nodiscard]] bool beat_is_due() const;
    void beat(EngineHeartbeat heartbeat);
    // `order` holds indices into `waiting`, first who starts next.
    [[nodiscard]] EngineHeartbeat heartbeat(const std::vector<SequencePtr>& running, const WaitingQueue& waiting,
                                            const std::vector<std::size_t>& order, const KvPool& kv) const;

    StepMeter meter;
    EngineHeartbeat totals;  // the counters of it

  private:
    EventSink& sink_;
    const Clock& clock_;
    const std::chrono::milliseconds beat_every_;
    EventFrame frame_;
    TimePoint last_beat_{};
};

}  // namespace weft
