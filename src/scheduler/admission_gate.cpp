#include "scheduler/admission_gate.h"

#include <algorithm>

namespace weft {
namespace {

// What is kept for those who have little.
constexpr std::uint64_t with_reserve(std::uint64_t capacity) { return capacity + std::max<std::uint64_t>(capacity / 4, 1); }

}  // namespace

// Of as many as there are with this one.
std::uint64_t AdmissionGate::even_share(std::uint64_t capacity, const std::string& tenant) const {
    return capacity / (held_.size() + (held_.contains(tenant) ? 0 : 1));
}

bool AdmissionGate::try_enter(const std::string& tenant) {
    const std::lock_guard lock(mutex_);
    const auto own = held_.find(tenant);
    const auto held = own == held_.end() ? 0 : own->second.requests;
    if (all_.requests >= capacity_ && (all_.requests >= with_reserve(capacity_) || held >= even_share(capacity_, tenant))) return false;
    ++held_[tenant].requests;
    ++all_.requests;
    return true;
}

void AdmissionGate::leave(const std::string& tenant) {
    const std::lock_guard lock(mutex_);
    const auto own = held_.find(tenant);
    --all_.requests;
    if (--own->second.requests == 0) held_.erase(own);
}

bool AdmissionGate::try_add_tokens(const std::string& tenant, std::uint64_t tokens) {
    const std::lock_guard lock(mutex_);
    auto& own = held_[tenant];
    const auto after = all_.tokens + tokens;
    const bool fits = token_capacity_ == 0 || all_.tokens == 0 || after <= token_capacity_ ||
                      (after <= with_reserve(token_capacity_) && own.tokens + tokens <= even_share(token_capacity_, tenant));
    if (!fits) return false;
    own.tokens += tokens;
    all_.tokens = after;
    return true;
}

void AdmissionGate::remove_tokens(const std::string& tenant, std::uint64_t tokens) {
    const std::lock_guard lock(mutex_);
    held_.at(tenant).tokens -= tokens;
    all_.tokens -= tokens;
}

std::uint64_t AdmissionGate::inside() const {
    const std::lock_guard lock(mutex_);
    return all_.requests;
}

std::uint64_t AdmissionGate::tokens() const {
    const std::lock_guard lock(mutex_);
    return all_.tokens;
}

}  // namespace weft
