#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/thread_checker.h"
#include "engine/engine.h"
#include "engine/vocabulary.h"
#include "scheduler/batch_planner.h"
#include "scheduler/cell_ledger.h"
#include "scheduler/event_sink.h"
#include "scheduler/inbox.h"
#include "scheduler/prefix_cache.h"
#include "scheduler/sampler_pool.h"
#include "scheduler/sequence.h"

namespace weft {

struct SchedulerOptions {
    std::int32_t slots = 64;                             // sequences that run at once
    std::chrono::milliseconds target_itl{250};           // running streams should wait no longer for their next token
    std::chrono::milliseconds heartbeat_every{250};
};

// Runs the sequences of one model: admits, prefills, decodes, samples, retires. The loop that everyone should be able to
// recite is step(). Thread: step, all of it.
class Scheduler {
  public:
    Scheduler(Engine& engine, const Vocabulary& vocabulary, const Clock& clock, EventSink& sink, Inbox& inbox,
              AdmissionGate& gate, SamplerPool& pool, SchedulerOptions options);

    // One step is at most one decode call. With nothing to do it waits, a heartbeat long at most.
    void step();

    // Steps until the inbox is closed.
    void run();

    // For tests and heartbeats.
    [[nodiscard]] EngineHeartbeat snapshot() const;
    [[nodiscard]] std::size_t running() const { return running_.size(); }
    [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
    [[nodiscard]] std::int32_t free_cells() const { return ledger_.free_cells(); }
    [[nodiscard]] const CellLedger& ledger() const { return ledger_; }
    // Throws nothing, aborts on a broken invariant: cells, sequence ids and references balance. Tests call it after
    // every step.
    void check_invariants() const;

  private:
    using SequencePtr = std::unique_ptr<Sequence>;

    void take_arrivals();
    void arrive(const std::shared_ptr<PreparedRequest>& prepared);
    void drop_cancelled();
    void admit();
    // Whether a running sequence is on its way to a longer prefix of this one than there is elsewhere.
    [[nodiscard]] bool is_being_computed(const Sequence& sequence) const;
    [[nodiscard]] PrefixMatch find_prefix(const Sequence& sequence, const Sequence* not_from = nullptr) const;
    [[nodiscard]] bool start(Sequence& sequence);
    [[nodiscard]] std::vector<RunningView> running_views() const;
    [[nodiscard]] Budget budget() const;
    void park(const std::vector<Sequence*>& victims);
    void send_to_waiting(SequencePtr sequence);
    void make_room(std::int32_t cells);
    void trim_cache(std::int32_t decode_rows);
    [[nodiscard]] std::vector<BatchRow> rows_of(const std::vector<Slice>& slices) const;
    void note_planned(const std::vector<Slice>& slices);
    void fail_batch(const std::vector<Slice>& slices, const Error& error);
    void sample_and_emit(const std::vector<Slice>& slices);
    void retire_finished();
    void shift_full_windows();
    void keep_prefix(Sequence& sequence);
    void end_choice(Sequence& sequence);
    void emit(std::uint64_t id, GenerationEvent event);
    void flush();
    void beat();
    void measure(const BatchPlan& plan, Duration took);

    Engine& engine_;
    const Vocabulary& vocabulary_;
    const Clock& clock_;
    EventSink& sink_;
    Inbox& inbox_;
    AdmissionGate& gate_;
    SamplerPool& pool_;
    const SchedulerOptions options_;
    ThreadChecker thread_;

    CellLedger ledger_;
    PrefixCache cache_;
    std::vector<SequencePtr> running_;     // in order of arrival
    std::deque<SequencePtr> waiting_;      // by priority, then arrival
    std::deque<std::uint64_t> early_cancels_;  // of requests that have not arrived yet; bounded
    EventFrame frame_;                     // events of this step
    std::uint64_t next_arrival_ = 0;
    double prefill_tokens_per_second_ = 0; // measured; 0 = not yet
    TimePoint last_beat_{};
    EngineHeartbeat totals_;
};

}  // namespace weft
