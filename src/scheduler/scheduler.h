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
#include "scheduler/event_sink.h"
#include "scheduler/fair_share.h"
#include "scheduler/inbox.h"
#include "scheduler/kv_pool.h"
#include "scheduler/prefix_check.h"
#include "scheduler/sampler_pool.h"
#include "scheduler/sequence.h"
#include "scheduler/step_meter.h"

namespace weft {

struct SchedulerOptions {
    std::int32_t slots = 64;                             // sequences that run at once
    std::chrono::milliseconds target_itl{250};           // running streams should wait no longer for their next token
    std::chrono::milliseconds heartbeat_every{250};
    // Each decode call computes one sequence's rows alone, prompts in chunks with fixed borders: slow, but what a row is
    // computed with never depends on who else is there.
    bool deterministic = false;
    bool checks_prefixes = false;                        // debugging: computes prompts twice and compares
    bool guesses = false;                                // speculation by prompt lookup
    std::string identity{};                              // what KV cells depend on besides their tokens
};

// Runs the sequences of one model: admits, prefills, decodes, samples, retires. The loop that everyone should be able to
// recite is step(). Thread: step, all of it.
class Scheduler {
  public:
    // `spill` may be null: what leaves the KV pool is gone then.
    Scheduler(Engine& engine, const Vocabulary& vocabulary, const Clock& clock, EventSink& sink, Inbox& inbox,
              AdmissionGate& gate, SamplerPool& pool, SpillStore* spill, SchedulerOptions options);

    // One step is at most one decode call. With nothing to do it waits, a heartbeat long at most.
    void step();

    // Steps until the inbox is closed; then copies the cached prefixes to disk.
    void run();
    void keep_for_next_start();

    // For tests and heartbeats.
    [[nodiscard]] EngineHeartbeat snapshot() const;
    [[nodiscard]] std::size_t running() const { return running_.size(); }
    [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
    [[nodiscard]] std::int32_t free_cells() const { return kv_.ledger().free_cells(); }
    [[nodiscard]] const CellLedger& ledger() const { return kv_.ledger(); }
    // Throws nothing, aborts on a broken invariant: cells, sequence ids and references balance. Tests call it after
    // every step.
    void check_invariants() const;

  private:
    using SequencePtr = std::unique_ptr<Sequence>;

    void take_arrivals();
    void arrive(const std::shared_ptr<PreparedRequest>& prepared);
    [[nodiscard]] Result<void> can_be_in_time(const PreparedRequest& prepared);
    void drop_cancelled();
    void drop_late();

    void admit();
    // Whom to look at, in the order in which they should start.
    [[nodiscard]] std::vector<std::size_t> waiting_order(std::size_t limit) const;
    [[nodiscard]] WaitingView waiting_view(Sequence& sequence) const;
    void preempt_for(const Sequence& head);
    // Whether a running sequence is on its way to a longer prefix of this one than there is elsewhere.
    [[nodiscard]] bool is_being_computed(const Sequence& sequence) const;
    [[nodiscard]] PrefixMatch find_prefix(const Sequence& sequence, const Sequence* not_from = nullptr) const;
    // Names of the blocks that it could begin with.
    [[nodiscard]] std::span<const BlockKey> blocks_of(Sequence& sequence) const;
    void fetch_blocks(Sequence& sequence);
    [[nodiscard]] bool start(Sequence& sequence);

    // Words and rows of images cannot share a decode call: they take turns.
    enum class RowKind : std::uint8_t { words, images };
    [[nodiscard]] RowKind choose_rows() const;

    void guess();
    void note_guesses(Sequence& sequence, std::int32_t rows, std::int32_t sampled);
    [[nodiscard]] std::vector<RunningView> running_views(RowKind rows) const;
    [[nodiscard]] std::vector<SequenceId> running_ids() const;
    [[nodiscard]] Budget budget(RowKind rows) const;
    // Deterministic mode: the longest chunk, and how far the next one of this sequence goes.
    [[nodiscard]] std::int32_t fixed_chunk_tokens() const;
    [[nodiscard]] std::int32_t fixed_chunk(const Sequence& sequence) const;
    void park(const std::vector<Sequence*>& victims);
    void send_to_waiting(SequencePtr sequence);
    void trim_cache(std::int32_t decode_rows);
    [[nodiscard]] std::vector<BatchRow> rows_of(const std::vector<Slice>& slices) const;
    void note_planned(const std::vector<Slice>& slices);
    [[nodiscard]] Result<void> decode(const BatchPlan& plan, const std::vector<Slice>& slices);
    [[nodiscard]] Result<void> decode_image(const Slice& slice);
    void note_computed(const std::vector<Slice>& slices);
    void note_suspects(const std::vector<Slice>& slices);
    void check_suspects();
    void fail_batch(const std::vector<Slice>& slices, const Error& error);
    void sample_and_emit(const std::vector<Slice>& slices);
    [[nodiscard]] std::int32_t sample_guessed(Sequence& sequence, std::size_t first_row);
    void retire_finished();
    void shift_full_windows();
    // Its cells stay for prompts that begin like it. It has no id afterwards.
    void give_up_cells(Sequence& sequence);
    void end_choice(Sequence& sequence);
    void end_request(RequestState& request);
    void emit(std::uint64_t id, GenerationEvent event);
    void flush();
    void beat();

    Engine& engine_;
    const Vocabulary& vocabulary_;
    const Clock& clock_;
    EventSink& sink_;
    Inbox& inbox_;
    AdmissionGate& gate_;
    SamplerPool& pool_;
    const SchedulerOptions options_;
    ThreadChecker thread_;

    KvPool kv_;
    FairShare fair_;
    StepMeter meter_;
    std::vector<SequencePtr> running_;     // in order of arrival
    std::deque<SequencePtr> waiting_;      // by priority, then arrival
    std::deque<std::uint64_t> early_cancels_;  // of requests that have not arrived yet; bounded
    RowKind last_rows_ = RowKind::words;   // of the step before
    std::vector<PrefixSuspect> suspects_;  // with checks_prefixes: of this step
    EventFrame frame_;                     // events of this step
    std::uint64_t next_arrival_ = 0;
    TimePoint last_beat_{};
    EngineHeartbeat totals_;
};

}  // namespace weft
