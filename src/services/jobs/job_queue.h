#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "services/jobs/job.h"

namespace weft {

// What jobs take while they wait.
struct JobLoad {
    std::size_t jobs = 0;
    std::size_t bytes = 0;    // of their requests
    std::int64_t tokens = 0;  // as estimated
};

// The jobs that wait, and whose turn it is: smaller priority first; then the tenant with the fewest jobs running, and of
// those the one whose last turn is longest ago; then in the order of acceptance. Of one conversation only one runs at a
// time. A pure structure. Thread: io.
class JobQueue {
  public:
    // most_running: of one tenant at once.
    explicit JobQueue(std::size_t most_running = SIZE_MAX) : most_running_(most_running) {}

    void add(std::shared_ptr<Job> job);
    // False when it is not in here.
    bool remove(const Job& job);
    // The next one with a priority of at most that. Null: none may start now. It runs, and its conversation is busy,
    // until release().
    [[nodiscard]] std::shared_ptr<Job> take(std::int32_t least_urgent);
    // A job that was taken, or claimed, has ended.
    void release(const JobRow& row);
    // For a job that does not have to wait at all: false when its conversation is busy, or its tenant has enough running.
    [[nodiscard]] bool claim(const JobRow& row);
    // Those that want the same answer, and wait no longer.
    [[nodiscard]] std::vector<std::shared_ptr<Job>> take_equal(const Job& job);

    // A job that will wait is on its way to the store: room is kept for it until then.
    void expect(const JobRow& row);
    void forget_expected(const JobRow& row);

    // How many go before it as things stand, plus one. It waits. With very many tenants: at most that many.
    [[nodiscard]] std::size_t position(const Job& job) const;
    [[nodiscard]] std::size_t size() const { return size_; }
    // With those that are expected.
    [[nodiscard]] const JobLoad& load() const { return load_; }
    [[nodiscard]] JobLoad load_of(const std::string& tenant) const;
    [[nodiscard]] static JobLoad load_of(const JobRow& row);

  private:
    struct Tenant {
        std::string name;
        JobLoad load{};
        std::size_t running = 0;
        std::uint64_t last_turn = 0;  // smaller is longer ago; at first, when it came
    };
    // The order of tenants: whose key is smallest goes first.
    struct Turn {
        std::size_t running;
        std::uint64_t last_turn;
        Tenant* tenant;
        auto operator<=>(const Turn&) const = default;
    };
    using Line = std::deque<std::shared_ptr<Job>>;  // in the order of numbers
    // The jobs of one priority.
    struct Level {
        std::size_t size = 0;
        std::map<Tenant*, Line> lines{};  // none is empty
        std::set<Turn> turns{};           // of those that have a line
    };

    [[nodiscard]] static Turn turn_of(Tenant& tenant) { return {tenant.running, tenant.last_turn, &tenant}; }
    [[nodiscard]] Tenant& tenant_of(const JobRow& row);
    [[nodiscard]] std::shared_ptr<Job> take_from(Level& level);
    void insert(std::shared_ptr<Job> job);
    [[nodiscard]] bool remove_from_level(const Job& job);
    void count_running(Tenant& tenant, bool one_more);
    void forget(const Job& job);
    void forget_tenant(Tenant& tenant);
    [[nodiscard]] std::optional<std::size_t> place_aside(const Job& job) const;
    void add_load(const JobRow& row);
    void remove_load(const JobRow& row);

    std::size_t most_running_;
    std::map<std::int32_t, Level> levels_;
    std::unordered_map<std::string, Line> held_;                              // by busy conversation
    std::set<std::string> busy_;                                              // conversations
    std::unordered_map<std::string, std::unique_ptr<Tenant>> tenants_;        // who has jobs that wait or run
    std::unordered_map<std::string, std::vector<std::weak_ptr<Job>>> equal_;  // by request key
    std::uint64_t turns_ = 0;
    std::size_t size_ = 0;
    JobLoad load_{};
};

}  // namespace weft
