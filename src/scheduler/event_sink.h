#pragma once

#include <utility>
#include <vector>

#include "runner/generation.h"
#include "runner/messages.h"

namespace weft {

// Where the events of a step go: one call, one frame, however many tokens. Thread: step (and intake for refusals).
class EventSink {
  public:
    virtual ~EventSink() = default;
    virtual void send(EventFrame frame) = 0;
    virtual void heartbeat(const EngineHeartbeat& heartbeat) = 0;
};

}  // namespace weft
