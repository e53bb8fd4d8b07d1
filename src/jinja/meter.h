#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/formatted.h"
#include "jinja/budget.h"
#include "jinja/failure.h"

namespace weft::jinja {

// Counts what one rendering spends and fails once it is too much. Everything that loops, recurses or allocates in
// proportion to something the template chose passes through here first.
class Meter {
  public:
    explicit Meter(const Budget& budget) : budget_(budget) {}

    [[nodiscard]] Outcome<void> step(std::uint64_t steps = 1) {
        steps_ += steps;
        if (steps_ > budget_.steps) [[unlikely]]
            return raise(formatted("the prompt template exceeded {} steps", budget_.steps));
        return {};
    }

    // Bytes about to be copied, compared or allocated. A sum over the whole rendering, so it bounds memory as well.
    [[nodiscard]] Outcome<void> work(std::size_t bytes) {
        work_bytes_ += std::min(bytes, budget_.work_bytes + 1);
        if (work_bytes_ > budget_.work_bytes) [[unlikely]]
            return raise(formatted("the prompt template handled more than {} bytes", budget_.work_bytes));
        return {};
    }

    [[nodiscard]] Outcome<void> output(std::size_t bytes) const {
        if (bytes > budget_.output_bytes) [[unlikely]]
            return raise(formatted("the prompt template wrote more than {} bytes", budget_.output_bytes));
        return {};
    }

    [[nodiscard]] Outcome<void> enter() {
        if (++depth_ > budget_.depth) [[unlikely]]
            return raise(formatted("the prompt template nested deeper than {} levels", budget_.depth));
        return {};
    }
    void leave() { --depth_; }

  private:
    const Budget budget_;
    std::uint64_t steps_ = 0;
    std::size_t work_bytes_ = 0;
    int depth_ = 0;
};

// One level of recursion, left again at the end of the scope, whether entering succeeded or not.
class DepthGuard {
  public:
    explicit DepthGuard(Meter& meter) : meter_(meter), entered_(meter.enter()) {}
    ~DepthGuard() { meter_.leave(); }
    DepthGuard(const DepthGuard&) = delete;
    DepthGuard& operator=(const DepthGuard&) = delete;

    [[nodiscard]] Outcome<void>& entered() { return entered_; }

  private:
    Meter& meter_;
    Outcome<void> entered_;
};

}  // namespace weft::jinja
