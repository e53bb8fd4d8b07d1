#include "scheduler/fair_share.h"

#include <algorithm>
#include <deque>
#include <map>

namespace weft {
namespace {

// Tenants with nothing to do whose counters are remembered; beyond that those served least are forgotten first.
constexpr std::size_t max_absent_tenants = 4096;

}  // namespace

void FairShare::enter(const std::string& tenant) {
    auto& counter = tenants_[tenant];
    if (counter.present++ > 0) return;
    std::optional<double> least;
    for (const auto& [name, other] : tenants_)
        if (&other != &counter && other.present > 0) least = std::min(least.value_or(other.served), other.served);
    floor_ = std::max(floor_, least.value_or(floor_));
    counter.served = std::max(counter.served, floor_);
}

void FairShare::leave(const std::string& tenant) {
    const auto it = tenants_.find(tenant);
    if (it == tenants_.end() || it->second.present == 0) return;
    if (--it->second.present > 0) return;
    forget_settled();
}

void FairShare::forget_settled() {
    std::size_t absent = 0;
    auto least = tenants_.end();
    for (auto it = tenants_.begin(); it != tenants_.end();) {
        if (it->second.present > 0) {
            ++it;
        } else if (it->second.served <= floor_) {
            it = tenants_.erase(it);
        } else {
            ++absent;
            if (least == tenants_.end() || it->second.served < least->second.served) least = it;
            ++it;
        }
    }
    if (absent > max_absent_tenants) tenants_.erase(least);
}

void FairShare::charge(const std::string& tenant, double tokens) { tenants_[tenant].served += tokens; }

double FairShare::served(const std::string& tenant) const {
    const auto it = tenants_.find(tenant);
    return it == tenants_.end() ? floor_ : it->second.served;
}

std::vector<std::size_t> fair_order(const std::vector<QueuedView>& waiting, std::vector<double> served,
                                    std::size_t limit) {
    // priority -> tenant -> those who wait, oldest first
    std::map<std::int32_t, std::map<std::size_t, std::deque<std::size_t>>> queues;
    for (std::size_t i = 0; i < waiting.size(); ++i) queues[waiting[i].priority][waiting[i].tenant].push_back(i);
    std::vector<std::size_t> order;
    for (auto& [priority, tenants] : queues) {
        while (!tenants.empty() && order.size() < limit) {
            const auto next = std::ranges::min_element(tenants, {}, [&](const auto& entry) {
                return std::pair(served[entry.first], entry.second.front());
            });
            const auto i = next->second.front();
            order.push_back(i);
            served[next->first] += waiting[i].cost;
            next->second.pop_front();
            if (next->second.empty()) tenants.erase(next);
        }
    }
    return order;
}

std::optional<std::size_t> choose_preempted(const std::vector<QueuedView>& running, const QueuedView& head,
                                            const std::vector<double>& served) {
    std::optional<std::size_t> lowest;
    std::map<std::size_t, std::size_t> places;
    for (std::size_t i = 0; i < running.size(); ++i) {
        if (!lowest || running[i].priority >= running[*lowest].priority) lowest = i;
        ++places[running[i].tenant];
    }
    if (!lowest) return std::nullopt;
    if (running[*lowest].priority > head.priority) return lowest;
    const auto own = places.contains(head.tenant) ? places.at(head.tenant) : 0;
    std::optional<std::size_t> victim;
    std::size_t most = own + 1;
    for (std::size_t i = 0; i < running.size(); ++i) {
        const auto& view = running[i];
        if (view.priority != head.priority || served[view.tenant] < served[head.tenant]) continue;
        if (places[view.tenant] > most || (victim && view.tenant == running[*victim].tenant)) {
            most = places[view.tenant];
            victim = i;
        }
    }
    return victim;
}

}  // namespace weft
