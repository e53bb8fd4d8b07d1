#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "base/histogram.h"
#include "services/pending.h"
#include "services/pipelines/pipeline_options.h"

namespace weft {

// What one stage of one pipeline has done and does.
struct StageCounts {
    Histogram seconds{};        // over seconds_bounds; waiting included
    std::uint64_t errors = 0;
    std::size_t running = 0;
    std::size_t waiting = 0;
};

// Lets so many jobs into a stage at once, the others in their order, and counts them. Thread: io.
class StageGate {
    struct State;

  public:
    StageGate(boost::asio::any_io_executor io, StageBounds bounds);

    // A job inside. It leaves when this goes.
    class Visit {
      public:
        explicit Visit(std::shared_ptr<State> state, std::chrono::steady_clock::time_point began) : state_(std::move(state)), began_(began) {}
        ~Visit();
        Visit(const Visit&) = delete;
        Visit& operator=(const Visit&) = delete;

        // How it went; null: well. What was cancelled or will be tried again is neither done nor failed. Since it came, in
        // seconds.
        double end(const Error* error);

      private:
        std::shared_ptr<State> state_;
        std::chrono::steady_clock::time_point began_;
    };
    using OnLeave = std::function<void(std::function<void()>)>;

    // overloaded when too many wait; cancelled when on_leave's function is called meanwhile.
    [[nodiscard]] boost::asio::awaitable<Result<std::shared_ptr<Visit>>> enter(OnLeave on_leave);
    // Of a stage that lets everybody in.
    void count(double seconds, bool failed);

    [[nodiscard]] StageCounts counts() const;

  private:
    boost::asio::any_io_executor io_;
    std::shared_ptr<State> state_;
};

}  // namespace weft
