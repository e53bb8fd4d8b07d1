#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace weft {

// How much each tenant was served, in tokens: the virtual counters that fairness goes by. A tenant that comes back is
// lifted to the least served one present, so that nobody saves up time. Thread: step.
class FairShare {
  public:
    void enter(const std::string& tenant);   // a request of it has come
    void leave(const std::string& tenant);   // ... and is over
    void charge(const std::string& tenant, double tokens);
    [[nodiscard]] double served(const std::string& tenant) const;
    [[nodiscard]] std::size_t size() const { return tenants_.size(); }

  private:
    struct Counter {
        double served = 0;
        std::uint32_t present = 0;
    };
    void forget_settled();

    std::unordered_map<std::string, Counter> tenants_;
    double floor_ = 0;  // of those present, when it was last looked at
};

// A generated token costs about this many prompt tokens.
inline constexpr double decode_weight = 2;

struct QueuedView {
    std::int32_t priority = 0;   // smaller first
    std::size_t tenant = 0;      // index into `served`
    double cost = 1;             // what serving it will charge its tenant at least
};

// In which order to start those who wait, the first `limit` of them: by priority; within one, the oldest of the tenant
// that was served least, counting what those in front will cost. `waiting` is in order of arrival. Pure.
[[nodiscard]] std::vector<std::size_t> fair_order(const std::vector<QueuedView>& waiting, std::vector<double> served,
                                                  std::size_t limit);

// Whom to park for `head`, which waits and finds no place: the youngest of the lowest priority if that is below head's;
// else, of head's priority, the youngest of the tenant that holds most places, if it holds at least two more than head's
// and was not served less. `running` is in order of arrival. Pure.
[[nodiscard]] std::optional<std::size_t> choose_preempted(const std::vector<QueuedView>& running, const QueuedView& head,
                                                          const std::vector<double>& served);

}  // namespace weft
