#pragma once

#include <array>
#include <cstdint>

namespace weft::bench {

// Durations from a microsecond to an hour in buckets that grow by half a percent each: constant memory however many
// there are, quantiles right to 0.5 %; count, sum, smallest and largest are exact. Unit: microseconds.
class Histogram {
  public:
    void add(double us);
    [[nodiscard]] double quantile(double q) const;  // 0 <= q <= 1; 0 when empty
    [[nodiscard]] double max() const { return max_; }
    [[nodiscard]] double min() const { return count_ == 0 ? 0 : min_; }
    [[nodiscard]] double mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }
    [[nodiscard]] std::uint64_t count() const { return count_; }

  private:
    static constexpr double growth = 1.005;
    static constexpr std::size_t buckets = 4420;  // growth^4420 us = 62 minutes

    std::array<std::uint64_t, buckets> counts_{};
    std::uint64_t count_ = 0;
    double sum_ = 0;
    double min_ = 1e18;
    double max_ = 0;
};

}  // namespace weft::bench
