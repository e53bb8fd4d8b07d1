#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.h"

namespace weft::gotemplate {

// What one rendering may cost before it ends with an error. The defaults leave room for prompts of several megabytes and
// end a hostile template within seconds.
struct Budget {
    std::uint64_t steps = 5'000'000;                  // nodes evaluated, rounds of loops
    int depth = 400;                                  // nested evaluation, templates called by templates included
    std::size_t output_bytes = std::size_t{64} << 20; // text produced
    std::size_t work_bytes = std::size_t{512} << 20;  // copied, compared and made in all
};

// Counts what one rendering spends and fails once it is too much.
class Meter {
  public:
    explicit Meter(const Budget& budget) : budget_(budget) {}

    [[nodiscard]] Result<void> step(std::uint64_t steps = 1) {
        steps_ += steps;
        return steps_ > budget_.steps ? exceeded(budget_.steps, "steps") : Result<void>();
    }
    // Bytes about to be copied, compared or made: a sum over the whole rendering, so it bounds memory as well.
    [[nodiscard]] Result<void> work(std::size_t bytes) {
        work_bytes_ += std::min(bytes, budget_.work_bytes + 1);
        return work_bytes_ > budget_.work_bytes ? exceeded(budget_.work_bytes, "bytes of work") : Result<void>();
    }
    [[nodiscard]] Result<void> output(std::size_t bytes) const {
        return bytes > budget_.output_bytes ? exceeded(budget_.output_bytes, "bytes of text") : Result<void>();
    }
    [[nodiscard]] Result<void> enter() {
        return ++depth_ > budget_.depth ? exceeded(static_cast<std::uint64_t>(budget_.depth), "levels") : Result<void>();
    }
    void leave() { --depth_; }

  private:
    [[nodiscard]] static Result<void> exceeded(std::uint64_t limit, std::string_view unit) {
        return fail(ErrorCode::invalid_request, "the prompt template took more than " + std::to_string(limit) + " " + std::string(unit));
    }

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

    [[nodiscard]] const Result<void>& entered() const { return entered_; }

  private:
    Meter& meter_;
    Result<void> entered_;
};

}  // namespace weft::gotemplate
