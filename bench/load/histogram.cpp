#include "histogram.h"

#include <algorithm>
#include <cmath>

namespace weft::bench {

void Histogram::add(double us) {
    const double index = us <= 1 ? 0 : std::log(us) / std::log(growth);
    ++counts_[std::min(static_cast<std::size_t>(index), buckets - 1)];
    ++count_;
    sum_ += us;
    min_ = std::min(min_, us);
    max_ = std::max(max_, us);
}

double Histogram::quantile(double q) const {
    if (count_ == 0) return 0;
    const auto wanted = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count_)));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets; ++i) {
        seen += counts_[i];
        if (seen >= std::max<std::uint64_t>(wanted, 1))
            return std::clamp(std::pow(growth, static_cast<double>(i) + 0.5), min_, max_);
    }
    return max_;
}

}  // namespace weft::bench
