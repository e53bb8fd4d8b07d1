#include "services/pipelines/stage_gate.h"

#include <utility>

namespace weft {
namespace asio = boost::asio;

struct StageGate::State {
    StageBounds bounds;
    StageCounts counted{};  // but for waiting
    std::deque<Pending<bool>> waiting{};

    // Those who have given up meanwhile are passed over.
    void leave() {
        --counted.running;
        while (!waiting.empty()) {
            const auto next = std::move(waiting.front());
            waiting.pop_front();
            if (next.cancelled()) continue;
            ++counted.running;
            return next.setter()(true);
        }
    }
};

StageGate::StageGate(asio::any_io_executor io, StageBounds bounds)
    : io_(std::move(io)), state_(std::make_shared<State>(State{.bounds = bounds})) {}

StageGate::Visit::~Visit() { state_->leave(); }

double StageGate::Visit::end(const Error* error) {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began_;
    const bool passes = error != nullptr && (error->code == ErrorCode::cancelled || error->code == ErrorCode::overloaded ||
                                             error->code == ErrorCode::shutting_down);
    if (!passes) state_->counted.seconds.observe(seconds_bounds, took.count());
    if (error != nullptr && !passes) ++state_->counted.errors;
    return took.count();
}

asio::awaitable<Result<std::shared_ptr<StageGate::Visit>>> StageGate::enter(OnLeave on_leave) {
    const auto state = state_;
    const auto began = std::chrono::steady_clock::now();
    if (state->counted.running < state->bounds.parallel) {
        ++state->counted.running;
        co_return std::make_shared<Visit>(state, began);
    }
    std::erase_if(state->waiting, [](const auto& one) { return one.cancelled(); });
    if (state->waiting.size() >= state->bounds.queue) co_return fail(ErrorCode::overloaded, "too many jobs wait for a stage of the pipeline");
    const Pending<bool> turn(io_);
    state->waiting.push_back(turn);
    if (on_leave) on_leave([turn] { turn.cancel(); });
    const auto entered = co_await turn.wait();
    if (on_leave) on_leave({});
    if (!entered) co_return std::unexpected(entered.error());
    co_return std::make_shared<Visit>(state, began);
}

void StageGate::count(double seconds, bool failed) {
    state_->counted.seconds.observe(seconds_bounds, seconds);
    if (failed) ++state_->counted.errors;
}

StageCounts StageGate::counts() const {
    auto counts = state_->counted;
    for (const auto& one : state_->waiting) counts.waiting += one.cancelled() ? 0 : 1;
    return counts;
}

}  // namespace weft
