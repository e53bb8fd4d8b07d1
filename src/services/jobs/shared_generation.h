#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runner/generation.h"
#include "services/jobs/job.h"
#include "services/pipelines/pipeline.h"

namespace weft {

// One generation and the jobs that it is for: equal deterministic requests share it, each with its own copy of the text.
// When the last job leaves, it is given up. Thread: io.
class SharedGeneration {
  public:
    std::vector<std::shared_ptr<Job>> jobs{};
    ChunkedText output{};
    std::string thinking{};
    std::vector<ToolCall> tool_calls{};
    std::uint32_t completion_tokens = 0;
    std::string request_key{};            // of the tenant; empty: shared with no one
    std::int32_t priority = 0;            // of the job it was started for: whose place it takes
    std::vector<SessionTurn> own_turns{}; // what the request adds to its conversation
    // All that was generated is void.
    void forget_text() {
        output = {};
        thinking.clear();
        tool_calls.clear();
        completion_tokens = 0;
        held.clear();
    }

    bool abandoned = false;               // nobody wants it any more, or the process ends
    std::function<void()> interrupt{};    // ends whatever it waits for
    std::shared_ptr<PipelineRecord> record{};  // of its way through a pipeline; null: it has none
    bool holds_text = false;              // nobody is told what is said before the pipeline has seen all of it: text ...
    std::string held{};                   // ... so far; thinking and calls are above
    std::chrono::steady_clock::time_point text_ready{};  // all of it is as it will be delivered

    void abandon() {
        abandoned = true;
        if (const auto now = std::exchange(interrupt, nullptr)) now();
    }
};

}  // namespace weft
