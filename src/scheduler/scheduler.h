#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/thread_checker.h"
#include "engine/engine.h"
#include "engine/vocabulary.h"
#include "scheduler/admission_gate.h"
#include "scheduler/batch_planner.h"
#include "scheduler/event_sink.h"
#include "scheduler/fair_share.h"
#include "scheduler/guesser.h"
#include "scheduler/inbox.h"
#include "scheduler/kv_pool.h"
#include "scheduler/prefix_check.h"
#include "scheduler/prefix_finder.h"
#include "scheduler/reporter.h"
#include "scheduler/sampler_pool.h"
#include "scheduler/step_sampling.h"
#include "scheduler/waiting_queue.h"

namespace weft {

struct SchedulerOptions {
    std::int32_t slots = 64;                             // sequences that run at once
    std::chrono::milliseconds target_itl{250};           // running streams should wait no longer for their next token
    std::chrono::milliseconds heartbeat_every{250};
    // Each decode call computes one sequence's rows alone, prompts in chunks with fixed borders: slow, but what a row is
    // computed with never depends on who else is there.
    bool deterministic = false;
    bool checks_prefixes = false;                        // debugging: computes prompts twice and compares
    Guesser::Options guesses{};                          // speculation
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
    void take_arrivals();
    void arrive(const std::shared_ptr<PreparedRequest>& prepared);
    [[nodiscard]] Result<void> can_be_in_time(const PreparedRequest& prepared, const Sequence& first) const;
    void drop_cancelled();
    void drop_late();

    [[nodiscard]] bool park_paused();
    void admit();
    // False when nobody could start though somebody would; `head` is the first of them.
    [[nodiscard]] bool start_some(Sequence*& head);
    [[nodiscard]] bool preempt_for(const Sequence& head);
    [[nodiscard]] WaitingView waiting_view(Sequence& sequence) const;
    [[nodiscard]] bool start(Sequence& sequence);

    // Words and rows of images cannot share a decode call: they take turns.
    enum class RowKind : std::uint8_t { words, images };
    [[nodiscard]] RowKind choose_rows() const;

    [[nodiscard]] std::vector<RunningView> running_views(RowKind rows) const;
    [[nodiscard]] std::vector<SequenceId> running_ids() const;
    [[nodiscard]] Budget budget(RowKind rows) const;
    // Deterministic mode: the longest chunk, and how far the next one of this sequence goes.
    [[nodiscard]] std::int32_t fixed_chunk_tokens() const;
    [[nodiscard]] std::int32_t fixed_chunk(const Sequence& sequence) const;
    // Parks whom the plan wants parked; the slices of the others, whose places may have changed.
    [[nodiscard]] std::vector<Slice> park_planned(const BatchPlan& plan);
    void park(const std::vector<Sequence*>& victims);

    // The plan's decode call and all that comes of it.
    void compute(const BatchPlan& plan, const std::vector<Slice>& slices);
    [[nodiscard]] std::vector<BatchRow> rows_of(const std::vector<Slice>& slices) const;
    void note_planned(const std::vector<Slice>& slices);
    [[nodiscard]] StepWork work_of(const std::vector<Slice>& slices) const;
    [[nodiscard]] Result<void> decode(const BatchPlan& plan, const std::vector<Slice>& slices);
    [[nodiscard]] Result<void> decode_image(const Slice& slice);
    void note_computed(const std::vector<Slice>& slices);
    void note_suspects(const std::vector<Slice>& slices);
    void check_suspects();
    void fail_batch(const std::vector<Slice>& slices, const Error& error);
    void sample_and_emit(const std::vector<Slice>& slices);
    void note_guesses(const Sampled& sampled);
    void tell_prompt_scores(Sequence& sequence);

    void retire_finished();
    void shift_full_windows();
    void trim_cache(std::int32_t decode_rows);
    // Its cells stay for prompts that begin like it. It has no id afterwards.
    void give_up_cells(Sequence& sequence);
    void end_choice(Sequence& sequence);
    void end_request(RequestState& request);
    void beat();

    Engine& engine_;
    const Vocabulary& vocabulary_;
    const Clock& clock_;
    Inbox& inbox_;
    AdmissionGate& gate_;
    SamplerPool& pool_;
    const SchedulerOptions options_;
    ThreadChecker thread_;

    std::vector<SequencePtr> running_;     // in order of arrival
    WaitingQueue waiting_;
    KvPool kv_;
    PrefixFinder prefixes_;
    FairShare fair_;
    Guesser guesser_;
    Reporter reporter_;
    std::deque<std::uint64_t> early_cancels_;  // of requests that have not arrived yet; bounded
    RowKind last_rows_ = RowKind::words;   // of the step before
    std::array<std::uint64_t, 2> turns_{};  // steps with words, and with images: whose turn it is among those
    std::vector<PrefixSuspect> suspects_;  // with checks_prefixes: of this step
    std::uint64_t next_arrival_ = 0;
    bool held_back_ = false;               // by the last step: see BatchPlan::holds_back
};

}  // namespace weft
