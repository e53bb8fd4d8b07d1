#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "engine/engine.h"

namespace weft {

// Counts exactly which sequences hold which cells of the KV pool, so that libllama is never asked for cells that it does
// not have. A sequence is a path of runs; sequences that share a prefix share the runs at its start, and a run's cells
// are free again when the last sequence on it is gone. Mirrors the calls made on Engine. Thread: step.
class CellLedger {
  public:
    CellLedger(std::int32_t kv_cells, std::int32_t max_sequences);

    [[nodiscard]] std::int32_t free_cells() const { return kv_cells_ - *used_; }
    [[nodiscard]] std::int32_t used_cells() const { return *used_; }
    [[nodiscard]] std::int32_t length(SequenceId sequence) const;
    // Cells that would become free if this sequence were removed now.
    [[nodiscard]] std::int32_t exclusive_cells(SequenceId sequence) const;

    // Cells that at least one of these sequences holds.
    [[nodiscard]] std::int32_t held_by(const std::vector<SequenceId>& sequences) const;

    // The lowest id that holds nothing and is not claimed; nothing left: SequenceId{-1}.
    [[nodiscard]] SequenceId claim();
    void release(SequenceId sequence);  // removes what it holds, too

    void append(SequenceId sequence, std::int32_t cells);
    void share_prefix(SequenceId from, SequenceId to, std::int32_t cells);
    void truncate(SequenceId sequence, std::int32_t from);

  private:
    // Cells that the same set of sequences holds. A child run continues its parent.
    struct Run {
        Run(std::shared_ptr<Run> parent, std::int32_t length, std::shared_ptr<std::int32_t> used);
        ~Run();
        std::shared_ptr<Run> parent;
        std::int32_t length;
        std::shared_ptr<std::int32_t> used;
        mutable std::uint64_t visited = 0;  // by which walk of held_by()
    };
    using Path = std::shared_ptr<Run>;  // the last run of a sequence; null when it holds nothing

    // The run that ends exactly at `cells` on this path, splitting one if need be.
    [[nodiscard]] Path cut_at(const Path& path, std::int32_t cells);
    [[nodiscard]] const Path& path_of(SequenceId sequence) const;

    std::int32_t kv_cells_;
    std::shared_ptr<std::int32_t> used_ = std::make_shared<std::int32_t>(0);
    std::vector<Path> paths_;      // by sequence id
    std::vector<bool> claimed_;
    mutable std::uint64_t walks_ = 0;
};

}  // namespace weft
