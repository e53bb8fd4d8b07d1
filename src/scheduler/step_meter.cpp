#include "scheduler/step_meter.h"

#include <algorithm>

namespace weft {
namespace {

double seconds(Duration time) { return std::max(0.0, std::chrono::duration<double>(time).count()); }

}  // namespace

void StepMeter::step(const BatchPlan& plan, const StepWork& work, Duration took) {
    metrics.step_s.observe(seconds_bounds, seconds(took));
    metrics.step_rows.observe(tokens_bounds, plan.rows());
    cost_.learn(work, took);
}

void StepMeter::tokens(Sequence& sequence, TimePoint now, std::int32_t count) {
    auto& request = *sequence.request;
    if (!request.first_token_at) {
        request.first_token_at = now;
        metrics.ttft_s.observe(seconds_bounds, seconds(now - request.prepared->accepted_at));
    }
    if (sequence.sampled_at)
        metrics.itl_s.observe(seconds_bounds, seconds(now - *sequence.sampled_at) / count, static_cast<std::uint64_t>(count));
    sequence.sampled_at = now;
    request.last_token_at = now;
}

void StepMeter::request(const RequestState& request, TimePoint now) {
    if (request.failed) ++metrics.finished_error;
    else if (request.cancelled) ++metrics.finished_cancelled;
    else ++(request.ended_by_length ? metrics.finished_length : metrics.finished_stop);
    const auto accepted = request.prepared->accepted_at;
    metrics.e2e_s.observe(seconds_bounds, seconds(now - accepted));
    metrics.prompt_tokens.observe(tokens_bounds, static_cast<double>(request.prepared->prompt.size()));
    metrics.generation_tokens.observe(tokens_bounds, request.completion_tokens);
    if (!request.planned_at) return;
    metrics.queue_s.observe(seconds_bounds, seconds(*request.planned_at - accepted));
    if (!request.first_token_at) return;
    metrics.prefill_s.observe(seconds_bounds, seconds(*request.first_token_at - *request.planned_at));
    metrics.decode_s.observe(seconds_bounds, seconds(request.last_token_at - *request.first_token_at));
}

}  // namespace weft
