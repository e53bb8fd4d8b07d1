#include "scheduler/waiting_queue.h"

#include <utility>

namespace weft {

void WaitingQueue::insert(SequencePtr sequence) {
    const auto rank = [](const SequencePtr& s) { return std::pair(s->request->request().priority, s->arrival); };
    const auto place = std::ranges::upper_bound(sequences_, rank(sequence), {}, rank);
    sequences_.insert(place, std::move(sequence));
}

std::vector<std::size_t> WaitingQueue::order(const FairShare& fair, const std::vector<SequencePtr>& running,
                                             std::size_t limit) const {
    FairViews views(fair, running);
    std::vector<QueuedView> queued;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < sequences_.size(); ++i) {
        if (sequences_[i]->request->paused) continue;
        queued.push_back(views.of(*sequences_[i]));
        places.push_back(i);
    }
    auto order = fair_order(queued, views.served(), limit);
    for (auto& i : order) i = places[i];
    return order;
}

FairViews::FairViews(const FairShare& fair, const std::vector<SequencePtr>& running) : fair_(fair) {
    for (const auto& sequence : running) {
        const auto tenant = of(*sequence).tenant;
        ++places_[tenant];
        served_[tenant] += decode_weight;
    }
}

QueuedView FairViews::of(const Sequence& sequence) {
    const auto& request = sequence.request->request();
    const auto [place, fresh] = tenants_.try_emplace(request.tenant, served_.size());
    if (fresh) {
        served_.push_back(fair_.served(request.tenant));
        places_.push_back(0);
    }
    return {.priority = request.priority,
            .tenant = place->second,
            .cost = static_cast<double>(sequence.tokens.size()) + decode_weight};
}

}  // namespace weft
