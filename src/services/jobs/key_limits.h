#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

namespace weft {

// How fast each tenant may submit: so many a second, and some more at once after a pause. Thread: io.
class SubmissionRate {
  public:
    static constexpr std::size_t max_tenants = 65'536;  // that are counted at one time; beyond, all begin anew

    // per_second 0: as fast as it likes.
    SubmissionRate(double per_second, double at_once) : per_ms_(per_second / 1000), at_once_(at_once) {}

    // 0 when one more may come now, which is counted then; else how long until it may, in milliseconds.
    [[nodiscard]] std::int64_t take(const std::string& tenant, std::int64_t now_ms);
    // What was taken last did not come.
    void give_back(const std::string& tenant);

  private:
    struct Allowance {
        double left;
        std::int64_t at_ms;
    };
    double per_ms_;
    double at_once_;
    std::unordered_map<std::string, Allowance> allowances_{};
};

// How many of something each tenant has open. Thread: io.
class OpenCounts {
    struct Counts {
        std::unordered_map<std::string, std::size_t> of_tenant{};
        std::size_t all = 0;
    };

  public:
    // While it lives, one more is open. May outlive the counts.
    class Place {
      public:
        Place(Place&& other) noexcept = default;
        Place& operator=(Place&&) = delete;
        ~Place();

      private:
        friend class OpenCounts;
        Place(std::shared_ptr<Counts> counts, std::string tenant);
        std::shared_ptr<Counts> counts_;
        std::string tenant_;
    };

    explicit OpenCounts(std::size_t most_of_tenant) : most_of_tenant_(most_of_tenant) {}

    // Nothing when the tenant has as many as it may.
    [[nodiscard]] std::optional<Place> take(const std::string& tenant);
    [[nodiscard]] std::size_t all() const { return counts_->all; }

  private:
    std::size_t most_of_tenant_;
    std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();
};

}  // namespace weft
