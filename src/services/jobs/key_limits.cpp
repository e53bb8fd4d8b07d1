#include "services/jobs/key_limits.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace weft {

std::int64_t SubmissionRate::take(const std::string& tenant, std::int64_t now_ms) {
    if (per_ms_ <= 0) return 0;
    auto found = allowances_.find(tenant);
    if (found == allowances_.end()) {
        if (allowances_.size() >= max_tenants) allowances_.clear();
        found = allowances_.emplace(tenant, Allowance{.left = at_once_, .at_ms = now_ms}).first;
    }
    auto& [left, at_ms] = found->second;
    left = std::min(at_once_, left + per_ms_ * static_cast<double>(std::max<std::int64_t>(0, now_ms - at_ms)));
    at_ms = now_ms;
    if (left < 1) return static_cast<std::int64_t>(std::ceil((1 - left) / per_ms_));
    left -= 1;
    return 0;
}

void SubmissionRate::give_back(const std::string& tenant) {
    if (const auto found = allowances_.find(tenant); found != allowances_.end()) found->second.left = std::min(at_once_, found->second.left + 1);
}

OpenCounts::Place::Place(std::shared_ptr<Counts> counts, std::string tenant) : counts_(std::move(counts)), tenant_(std::move(tenant)) {
    ++counts_->all;
    ++counts_->of_tenant[tenant_];
}

OpenCounts::Place::~Place() {
    if (!counts_) return;  // moved from
    --counts_->all;
    const auto count = counts_->of_tenant.find(tenant_);
    if (--count->second == 0) counts_->of_tenant.erase(count);
}

std::optional<OpenCounts::Place> OpenCounts::take(const std::string& tenant) {
    const auto count = counts_->of_tenant.find(tenant);
    if (count != counts_->of_tenant.end() && count->second >= most_of_tenant_) return std::nullopt;
    return Place(counts_, tenant);
}

}  // namespace weft
