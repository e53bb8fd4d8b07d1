#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <vector>

#include "scheduler/fair_share.h"
#include "scheduler/sequence.h"

namespace weft {

using SequencePtr = std::unique_ptr<Sequence>;

// Sequences that wait for a place, by priority, then age. Bounded by the AdmissionGate. Thread: step.
class WaitingQueue {
  public:
    void insert(SequencePtr sequence);

    // In which order they should start beside those that run, the first `limit` of them: indices. Without those whose
    // clients do not read.
    [[nodiscard]] std::vector<std::size_t> order(const FairShare& fair, const std::vector<SequencePtr>& running,
                                                 std::size_t limit) const;

    // Takes one out; its place stays empty until drop_empty(), so that indices keep their meaning.
    [[nodiscard]] SequencePtr take(std::size_t i) { return std::move(sequences_[i]); }
    void drop_empty() { std::erase(sequences_, nullptr); }
    template <typename Gone>
    void erase_if(const Gone& gone) { std::erase_if(sequences_, gone); }
    void clear() { sequences_.clear(); }

    [[nodiscard]] bool empty() const { return sequences_.empty(); }
    [[nodiscard]] std::size_t size() const { return sequences_.size(); }
    [[nodiscard]] Sequence& operator[](std::size_t i) const { return *sequences_[i]; }
    [[nodiscard]] auto begin() const { return sequences_.begin(); }
    [[nodiscard]] auto end() const { return sequences_.end(); }

  private:
    std::deque<SequencePtr> sequences_;
};

// Sequences as fairness sees them: tenants as small numbers, and what each was served, the token counted that each of its
// running sequences is about to get. One for each comparison.
class FairViews {
  public:
    FairViews(const FairShare& fair, const std::vector<SequencePtr>& running);
    [[nodiscard]] QueuedView of(const Sequence& sequence);
    [[nodiscard]] const std::vector<double>& served() const { return served_; }
    // Running sequences of its tenant.
    [[nodiscard]] std::int32_t places(const QueuedView& view) const { return places_[view.tenant]; }

  private:
    const FairShare& fair_;
    std::unordered_map<std::string, std::size_t> tenants_;
    std::vector<double> served_;
    std::vector<std::int32_t> places_;
};

}  // namespace weft
