#include "scheduler/scheduler.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "base/log.h"

namespace weft {
namespace {

constexpr std::size_t max_early_cancels = 4096;
// Waiting sequences looked at per step beyond the free slots: the others cannot start anyway.
constexpr std::size_t admission_lookahead = 8;
constexpr std::int32_t smallest_prefill_chunk = 16;
// Until the speed is known; also the smallest chunk when nobody decodes.
constexpr std::int32_t first_prefill_chunk = 64;
constexpr double aim = 0.85;  // at this part of the target: a call may take longer than those before it say
constexpr auto longest_step = std::chrono::seconds(1);
// What is copied to disk in one heartbeat while others wait for the step thread, and while nobody does.
constexpr std::uint64_t persisted_bytes_busy = 8ULL << 20;
constexpr std::uint64_t persisted_bytes_idle = 256ULL << 20;
// An engine that is told to end has this long to write its prefixes; it is killed a little later.
constexpr auto last_write_patience = std::chrono::seconds(8);

}  // namespace

Scheduler::Scheduler(Engine& engine, const Vocabulary& vocabulary, const Clock& clock, EventSink& sink, Inbox& inbox,
                     AdmissionGate& gate, SamplerPool& pool, SpillStore* spill, SchedulerOptions options)
    : engine_(engine),
      vocabulary_(vocabulary),
      clock_(clock),
      inbox_(inbox),
      gate_(gate),
      pool_(pool),
      options_(std::move(options)),
      kv_(engine, spill, options_.identity),
      prefixes_(kv_, running_),
      guesser_(options_.guesses),
      reporter_(sink, clock, options_.heartbeat_every) {}

void Scheduler::run() {
    while (!inbox_.closed()) step();
    keep_for_next_start();
}

void Scheduler::keep_for_next_start() {
    for (const auto& sequence : running_) give_up_cells(*sequence);
    running_.clear();
    waiting_.clear();
    while (!kv_.persist(false, persisted_bytes_idle)) {}
    auto* store = kv_.spill_store();
    if (store == nullptr) return;
    store->persist_all();
    store->settle(last_write_patience);
}

// Thread: step. One step is at most one decode call.
void Scheduler::step() {
    thread_.check();
    take_arrivals();    // inbox -> waiting_
    drop_late();
    drop_cancelled();   // frees slots and KV cells before anything is planned
    admit();            // waiting_ -> running_, with the longest prefix that is there
    last_rows_ = choose_rows();
    const bool words = last_rows_ == RowKind::words;
    if (words && !options_.deterministic && kv_.shares()) guesser_.guess(running_);
    const BatchPlan plan = plan_batch(running_views(last_rows_), budget(last_rows_));  // pure: no llama_*, no clock
    const auto slices = park_planned(plan);
    if (words) held_back_ = plan.holds_back;  // an image in between is no turn of those that were held back
    if (!slices.empty()) compute(plan, slices), ++turns_[!words];
    reporter_.flush();
    beat();
    if (plan.empty()) inbox_.wait_for(options_.heartbeat_every);
}

void Scheduler::compute(const BatchPlan& plan, const std::vector<Slice>& slices) {
    const bool room = kv_.make_room(plan.rows());
    assert_that(room, "the plan asks for no more cells than can be freed");
    note_planned(slices);
    for (const auto& slice : slices)
        if (auto& sequence = *running_[slice.running]; sequence.decodes())
            sequence.guesses.resize(static_cast<std::size_t>(slice.tokens) - 1);
    if (const auto decoded = decode(plan, slices); decoded) {
        note_computed(slices);
        if (options_.checks_prefixes) note_suspects(slices);
        sample_and_emit(slices);
    } else if (decoded.error().code == ErrorCode::cancelled) {
        ++reporter_.meter.metrics.interrupted_steps;  // nothing was computed; whoever was not meant is planned again
    } else {
        fail_batch(slices, decoded.error());
    }
    retire_finished();
    shift_full_windows();
    check_suspects();
    trim_cache(plan.decode_rows);
}

// ---- arrivals and departures ----------------------------------------------------------------------------------------

void Scheduler::take_arrivals() {
    for (auto& command : inbox_.take_all()) {
        if (const auto* prepared = std::get_if<std::shared_ptr<PreparedRequest>>(&command)) {
            arrive(*prepared);
            continue;
        }
        const auto id = std::visit([](const auto& c) -> std::uint64_t {
            if constexpr (requires { c.id; }) return c.id;
            else return 0;
        }, command);
        bool known = false;
        const auto apply = [&](Sequence& sequence) {
            if (sequence.request->id() != id) return;
            known = true;
            if (const auto* pause = std::get_if<PauseRequest>(&command)) sequence.request->paused = pause->paused;
            else sequence.request->cancelled = true;
        };
        for (const auto& sequence : running_) apply(*sequence);
        for (const auto& sequence : waiting_) apply(*sequence);
        // A cancel may overtake its request, which is still being tokenized.
        if (!known && std::holds_alternative<CancelRequest>(command)) {
            early_cancels_.push_back(id);
            if (early_cancels_.size() > max_early_cancels) early_cancels_.pop_front();
        }
    }
}

void Scheduler::arrive(const std::shared_ptr<PreparedRequest>& prepared) {
    auto state = std::make_shared<RequestState>();
    state->prepared = prepared;
    state->open_choices = prepared->request.choices;
    reporter_.totals.prompt_tokens += prepared->prompt.size();
    if (const auto early = std::ranges::find(early_cancels_, prepared->id); early != early_cancels_.end()) {
        early_cancels_.erase(early);
        state->cancelled = true;
    }
    std::vector<SequencePtr> choices;
    Result<void> fine;
    for (std::uint32_t choice = 0; choice < prepared->request.choices && fine; ++choice) {
        auto sequence = Sequence::create(state, choice, next_arrival_++, vocabulary_);
        if (!sequence) fine = std::unexpected(sequence.error());
        else choices.push_back(std::move(*sequence));
    }
    for (const auto& sequence : choices) prefixes_.welcome(*sequence, waiting_);
    fair_.enter(prepared->request.tenant);
    if (!fine) {
        reporter_.emit(prepared->id, fine.error());
        state->failed = true;
        return end_request(*state);
    }
    const auto* first = choices.front().get();
    for (auto& sequence : choices) waiting_.insert(std::move(sequence));
    if (prepared->request.deadline_ms == 0) return;
    if (const auto in_time = can_be_in_time(*prepared, *first); !in_time) {
        waiting_.erase_if([&](const SequencePtr& sequence) { return sequence->request == state; });
        reporter_.refused_deadline(*state, in_time.error());
        return end_request(*state);
    }
    if (!prepared->request.prompt_logprobs) reporter_.emit(prepared->id, acceptance_of(*prepared));
}

// Judged by what has to be computed before its first token at least: of its own prompt, and as much of those that prefill
// or go before it, since short prompts pass long ones.
Result<void> Scheduler::can_be_in_time(const PreparedRequest& prepared, const Sequence& first) const {
    const auto& cost = reporter_.meter.cost();
    if (!cost.known()) return {};
    double needed = cost.prefill_seconds(first.uncached);
    const auto add = [&](std::int32_t tokens) { needed += cost.prefill_seconds(std::min(tokens, first.uncached)); };
    for (const auto& sequence : running_)
        if (!sequence->decodes()) add(sequence->pending());
    for (const auto i : waiting_.order(fair_, running_, waiting_.size())) {
        if (&waiting_[i] == &first) break;
        add(waiting_[i].uncached);
    }
    const auto waited = std::chrono::duration<double>(clock_.now() - prepared.accepted_at).count();
    if ((waited + needed) * 1000 <= prepared.request.deadline_ms) return {};
    return std::unexpected(Error{.code = ErrorCode::overloaded,
                                 .message = "the deadline cannot be met: the first token would take about " +
                                            std::to_string(static_cast<int>((waited + needed) * 1000)) + " ms",
                                 .field = "x-weft-deadline-ms",
                                 .retry_after_s = std::clamp(static_cast<int>(needed), 1, 60)});
}

void Scheduler::drop_late() {
    const auto now = clock_.now();
    for (const auto& sequence : waiting_) {
        auto& request = *sequence->request;
        const auto deadline = request.request().deadline_ms;
        if (deadline == 0 || request.planned_at || now - request.prepared->accepted_at <= std::chrono::milliseconds(deadline))
            continue;
        reporter_.refused_deadline(request, {.code = ErrorCode::timeout, .message = "the deadline passed before the request could start"});
        request.cancelled = true;  // ends all its choices, those that have a place already, too
    }
}

void Scheduler::drop_cancelled() {
    const auto drop = [&](const SequencePtr& sequence) {
        if (!sequence->request->cancelled) return false;
        sequence->finish_with(FinishReason::cancelled);
        if (sequence->id != SequenceId{-1}) give_up_cells(*sequence);
        end_choice(*sequence);
        return true;
    };
    waiting_.erase_if(drop);
    std::erase_if(running_, drop);
}

// ---- admission ------------------------------------------------------------------------------------------------------

WaitingView Scheduler::waiting_view(Sequence& sequence) const {
    const auto match = prefixes_.find(sequence);
    if (sequence.fetching && *sequence.fetching) sequence.fetching = nullptr;
    sequence.deferred = prefixes_.is_being_computed(sequence);
    // A saved state takes cells like a computed one.
    return {.uncached_tokens = static_cast<std::int32_t>(sequence.tokens.size()) - (match.saved ? 0 : match.tokens),
            .donor_cells = match.from_cache ? match.tokens : 0,
            .deferred = sequence.deferred || sequence.fetching != nullptr};
}

// A client that does not read keeps nobody from a place, nor from cells: its sequence goes on once it reads.
bool Scheduler::park_paused() {
    std::vector<Sequence*> paused;
    for (const auto& sequence : running_)
        if (sequence->request->paused) paused.push_back(sequence.get());
    park(paused);
    return !paused.empty();
}

void Scheduler::admit() {
    Sequence* head = nullptr;
    // Who was parked for the head leaves it a place at once: its first token should not wait for another step.
    if (!start_some(head) && head != nullptr && (park_paused() || preempt_for(*head))) (void)start_some(head);
}

bool Scheduler::start_some(Sequence*& head) {
    if (waiting_.empty()) return true;
    const auto free_slots = static_cast<std::size_t>(options_.slots) - running_.size();
    const auto order = waiting_.order(fair_, running_, std::min(waiting_.size(), free_slots + admission_lookahead));
    std::vector<WaitingView> views;
    for (const auto i : order) views.push_back(waiting_view(waiting_[i]));
    const auto admitted = plan_admission(running_views(RowKind::words), views, budget(RowKind::words));
    const auto first = std::ranges::find(views, false, &WaitingView::deferred);
    if (first != views.end()) head = &waiting_[order[static_cast<std::size_t>(first - views.begin())]];
    for (const auto i : admitted) {
        // One that started a moment ago may be computing what this one needs.
        if (prefixes_.is_being_computed(waiting_[order[i]])) continue;
        if (!start(waiting_[order[i]])) break;
        running_.push_back(waiting_.take(order[i]));
    }
    waiting_.drop_empty();
    std::ranges::sort(running_, {}, [](const SequencePtr& s) { return s->arrival; });
    return !admitted.empty();
}

bool Scheduler::preempt_for(const Sequence& head) {
    FairViews fair(fair_, running_);
    const auto wants = fair.of(head);
    std::vector<QueuedView> views;
    for (const auto& sequence : running_) views.push_back(fair.of(*sequence));
    const auto victim = choose_preempted(views, wants, fair.served());
    if (victim) park({running_[*victim].get()});
    return victim.has_value();
}

bool Scheduler::start(Sequence& sequence) {
    if (!prefixes_.start(sequence)) return false;
    auto& request = *sequence.request;
    reporter_.meter.metrics.prefix_queries += sequence.tokens.size();
    reporter_.meter.metrics.prefix_hits += static_cast<std::uint64_t>(sequence.computed);
    // What other choices share with the first was computed for this very request.
    if (!std::exchange(request.started, true)) {
        request.cached_tokens = static_cast<std::uint32_t>(sequence.computed);
        reporter_.totals.cached_tokens += static_cast<std::uint64_t>(sequence.computed);
    }
    return true;
}

// ---- planning -------------------------------------------------------------------------------------------------------

Scheduler::RowKind Scheduler::choose_rows() const {
    bool words = false, images = false;
    for (const auto& sequence : running_)
        if (!sequence->request->paused) (sequence->next_image() != nullptr ? images : words) = true;
    if (words && images) return last_rows_ == RowKind::words ? RowKind::images : RowKind::words;
    return images ? RowKind::images : RowKind::words;
}

std::vector<RunningView> Scheduler::running_views(RowKind rows) const {
    std::vector<RunningView> views;
    views.reserve(running_.size());
    FairViews fair(fair_, running_);
    for (const auto& sequence : running_) {
        const auto claim = fair.of(*sequence);
        const auto* image = sequence->next_image();
        const bool other_kind = (image != nullptr) != (rows == RowKind::images);
        views.push_back({.pending = sequence->pending(),
                         .decodes = sequence->decodes(),
                         .paused = sequence->request->paused || other_kind,
                         .scores_prompt = sequence->scores_prompt(),
                         .parkable_cells = kv_.ledger().exclusive_cells(sequence->id),
                         .priority = claim.priority,
                         .served = fair.served()[claim.tenant],
                         .places = fair.places(claim),
                         .guesses = static_cast<std::int32_t>(sequence->guesses.size()),
                         .chunk = image != nullptr && !image->run->causal ? image->run->rows()
                                  : options_.deterministic                ? fixed_chunk(*sequence)
                                                                          : 0,
                         .until_border = sequence->until_border(),
                         .token_weight = reporter_.meter.cost().token_weight(sequence->computed),
                         .segment = sequence->segment()});
    }
    return views;
}

std::vector<SequenceId> Scheduler::running_ids() const {
    std::vector<SequenceId> ids;
    ids.reserve(running_.size());
    for (const auto& sequence : running_) ids.push_back(sequence->id);
    return ids;
}

Budget Scheduler::budget(RowKind rows) const {
    const auto& limits = engine_.limits();
    const auto first = std::min(first_prefill_chunk, limits.max_batch_rows);
    const auto within = [&](Duration time, std::int32_t least) {
        const auto& cost = reporter_.meter.cost();
        return cost.known() ? std::clamp(cost.tokens_within(time), least, std::max(least, limits.max_batch_rows)) : first;
    };
    Budget budget{.free_cells = kv_.ledger().free_cells(),
                  .evictable_cells = kv_.evictable_cells(running_ids()),
                  .free_slots = options_.slots - static_cast<std::int32_t>(running_.size()),
                  .max_rows = limits.max_batch_rows,
                  .max_outputs = limits.max_outputs,
                  .prefill_tokens = within(std::chrono::duration_cast<Duration>(options_.target_itl * aim), smallest_prefill_chunk),
                  .prefill_alone_tokens = within(longest_step, first),
                  .may_hold_back = !held_back_};
    if (options_.deterministic || rows == RowKind::images) budget.turn = turns_[rows == RowKind::images];
    if (rows == RowKind::words || options_.deterministic) return budget;
    // While an image is computed the others wait; one whose rows see each other cannot be taken apart.
    const bool alone = std::ranges::none_of(running_, [](const SequencePtr& sequence) { return sequence->decodes(); });
    budget.max_rows = alone ? budget.prefill_alone_tokens : budget.prefill_tokens;
    for (const auto& sequence : running_)
        if (const auto* image = sequence->next_image(); image != nullptr && !image->run->causal)
            budget.max_rows = std::max(budget.max_rows, image->run->rows());
    return budget;
}

std::int32_t Scheduler::fixed_chunk_tokens() const {
    const auto most = static_cast<std::uint32_t>(std::min(block_tokens, engine_.limits().max_batch_rows));
    return static_cast<std::int32_t>(std::bit_floor(most));
}

// Borders lie at multiples of the chunk and at the end of the prompt; what was generated is computed row by row, also
// when it is computed again.
std::int32_t Scheduler::fixed_chunk(const Sequence& sequence) const {
    const auto prompt = static_cast<std::int32_t>(sequence.request->prepared->prompt.size());
    if (sequence.computed >= prompt) return 1;
    return std::min(fixed_chunk_tokens() - sequence.computed % fixed_chunk_tokens(), prompt - sequence.computed);
}

std::vector<Slice> Scheduler::park_planned(const BatchPlan& plan) {
    auto slices = plan.slices;
    if (plan.park.empty()) return slices;
    std::vector<Sequence*> victims;
    for (const auto i : plan.park) victims.push_back(running_[i].get());
    // Parking changes the indices: remember the sequences, not their places.
    std::vector<const Sequence*> planned;
    for (const auto& slice : slices) planned.push_back(running_[slice.running].get());
    park(victims);
    for (std::size_t i = 0; i < slices.size(); ++i) {
        const auto place = std::ranges::find(running_, planned[i], [](const auto& s) { return s.get(); });
        slices[i].running = static_cast<std::size_t>(place - running_.begin());
    }
    return slices;
}

void Scheduler::park(const std::vector<Sequence*>& victims) {
    for (auto* victim : victims) {
        if (victim->id != SequenceId{-1}) give_up_cells(*victim);
        victim->computed = 0;
        victim->states_seen = Sequence::never;
        ++victim->parked;
        ++reporter_.meter.metrics.parked;
        const auto place = std::ranges::find(running_, victim, [](const auto& s) { return s.get(); });
        waiting_.insert(std::move(*place));
        running_.erase(place);
        log_debug("sequence_parked", {{"free_cells", kv_.ledger().free_cells()}});
    }
}

void Scheduler::trim_cache(std::int32_t decode_rows) {
    const auto& limits = engine_.limits();
    kv_.trim(idle_cell_limit(limits.kv_cells, limits.context_tokens, decode_rows, kv_.spill_store() != nullptr), running_ids());
}

std::vector<BatchRow> Scheduler::rows_of(const std::vector<Slice>& slices) const {
    std::vector<BatchRow> rows;
    for (const auto& slice : slices) {
        const auto& sequence = *running_[slice.running];
        for (std::int32_t i = 0; i < slice.tokens; ++i) {
            const auto position = sequence.computed + i;  // among its tokens
            const bool last = slice.completes && i + 1 == slice.tokens;
            const bool guessed = i >= sequence.pending();
            rows.push_back({.token = guessed ? sequence.guesses[static_cast<std::size_t>(i - sequence.pending())]
                                             : sequence.tokens[static_cast<std::size_t>(position)],
                            .position = position_of(position, sequence.images()),
                            .sequence = sequence.id,
                            .wants_logits = last || sequence.decodes() || sequence.scores_prompt()});
        }
    }
    return rows;
}

void Scheduler::note_planned(const std::vector<Slice>& slices) {
    const auto now = clock_.now();
    for (const auto& slice : slices) {
        auto& request = *running_[slice.running]->request;
        if (!request.planned_at) request.planned_at = now;
    }
}

Result<void> Scheduler::decode_image(const Slice& slice) {
    const auto& sequence = *running_[slice.running];
    const auto& image = *sequence.next_image();
    return engine_.decode_image({.run = image.run.get(),
                                 .first = sequence.computed - image.begin,
                                 .count = slice.tokens,
                                 .position = image.position,
                                 .sequence = sequence.id,
                                 .wants_logits = slice.completes});
}

StepWork Scheduler::work_of(const std::vector<Slice>& slices) const {
    StepWork work;
    for (const auto& slice : slices) {
        const auto& sequence = *running_[slice.running];
        if (sequence.decodes()) continue;
        work.prefill_tokens += slice.tokens;
        work.prefill_cells += slice.tokens * (static_cast<double>(sequence.computed) + slice.tokens / 2.0);
    }
    return work;
}

Result<void> Scheduler::decode(const BatchPlan& plan, const std::vector<Slice>& slices) {
    const bool is_image = running_[slices.front().running]->next_image() != nullptr;
    // A cancel of whoever fills most of the batch ends it at once; others' rows are few and computed again.
    for (const auto& slice : slices)
        if (kv_.shares() && 2 * slice.tokens > plan.rows() && slice.tokens > 1 && !is_image)
            inbox_.watch(running_[slice.running]->request->id(), [this] { engine_.interrupt(); });
    const auto started = clock_.now();
    auto decoded = is_image ? decode_image(slices.front()) : engine_.decode(rows_of(slices));
    const auto took = clock_.now() - started;
    inbox_.unwatch();
    ++reporter_.totals.steps;
    reporter_.totals.step_ns += static_cast<std::uint64_t>(std::chrono::nanoseconds(took).count());
    if (decoded) reporter_.meter.step(plan, work_of(slices), took);
    return decoded;
}

void Scheduler::note_computed(const std::vector<Slice>& slices) {
    for (const auto& slice : slices) {
        auto& sequence = *running_[slice.running];
        const bool decodes = sequence.decodes();
        if (!decodes) reporter_.totals.prefilled_tokens += static_cast<std::uint64_t>(slice.tokens);
        fair_.charge(sequence.request->request().tenant, decodes ? decode_weight : slice.tokens);
        kv_.append(sequence.id, slice.tokens);
        sequence.computed += slice.tokens;
        prefixes_.passed(sequence);
    }
}

// ---- after the decode -----------------------------------------------------------------------------------------------

void Scheduler::note_suspects(const std::vector<Slice>& slices) {
    std::size_t row = 0;
    for (const auto& slice : slices) {
        row += static_cast<std::size_t>(slice.tokens);
        const auto& sequence = *running_[slice.running];
        if (!slice.completes || sequence.generated() > 0 || sequence.reused == 0 || !sequence.images().empty()) continue;
        const auto logits = engine_.logits(row - 1);
        suspects_.push_back({sequence.request->id(), sequence.tokens, sequence.reused, {logits.begin(), logits.end()}});
    }
}

// After sampling: the logits of the step are gone then.
void Scheduler::check_suspects() {
    for (const auto& suspect : std::exchange(suspects_, {})) check_and_tell(engine_, kv_, suspect);
}

void Scheduler::fail_batch(const std::vector<Slice>& slices, const Error& error) {
    log_error("decode_failed", {{"reason", error.message}, {"detail", error.detail}});
    for (const auto& slice : slices) {
        auto& sequence = *running_[slice.running];
        // What libllama has of these rows is not known: drop them and all that came before.
        kv_.clear(sequence.id);
        sequence.computed = 0;
        if (!sequence.request->failed) reporter_.emit(sequence.request->id(), error);
        sequence.request->failed = true;
        sequence.finish_with(FinishReason::cancelled);
    }
    // The other choices of a failed request end with it.
    for (const auto& sequence : running_)
        if (sequence->request->failed && !sequence->finished()) sequence->finish_with(FinishReason::cancelled);
    waiting_.erase_if([&](const SequencePtr& sequence) {
        if (!sequence->request->failed) return false;
        sequence->finish_with(FinishReason::cancelled);
        end_choice(*sequence);
        return true;
    });
}

void Scheduler::sample_and_emit(const std::vector<Slice>& slices) {
    const auto sampled = sample_slices(engine_, vocabulary_, pool_, running_, slices);
    const auto now = clock_.now();
    for (const auto& item : sampled) {
        if (!item.completes) continue;
        auto& sequence = *item.sequence;
        if (item.decodes) note_guesses(item);
        if (sequence.scores_prompt()) tell_prompt_scores(sequence);
        if (sequence.generated() > 0 || sequence.finish()) reporter_.meter.tokens(sequence, now, std::max(item.tokens, 1));
        if (auto piece = sequence.take_piece()) reporter_.emit(sequence.request->id(), std::move(*piece));
    }
}

// What was guessed wrong leaves the pool again.
void Scheduler::note_guesses(const Sampled& sampled) {
    auto& sequence = *sampled.sequence;
    const auto guessed = static_cast<std::uint64_t>(sampled.rows - 1), right = static_cast<std::uint64_t>(sampled.tokens - 1);
    guesser_.note(sequence, guessed, right);
    reporter_.meter.metrics.guessed_tokens += guessed;
    reporter_.meter.metrics.accepted_tokens += right;
    fair_.charge(sequence.request->request().tenant, decode_weight * static_cast<double>(right));
    if (sampled.tokens == sampled.rows) return;
    sequence.computed -= sampled.rows - sampled.tokens;
    kv_.truncate(sequence.id, sequence.computed, position_of(sequence.computed, sequence.images()));
}

void Scheduler::tell_prompt_scores(Sequence& sequence) {
    sequence.prompt_scored();
    if (sequence.choice != 0) return;
    const auto& prepared = *sequence.request->prepared;
    reporter_.emit(prepared.id, acceptance_of(prepared, std::move(sequence.request->prompt_logprobs)));
}

void Scheduler::retire_finished() {
    std::erase_if(running_, [&](const SequencePtr& sequence) {
        if (!sequence->finished()) return false;
        give_up_cells(*sequence);
        end_choice(*sequence);
        return true;
    });
}

void Scheduler::shift_full_windows() {
    std::vector<Sequence*> full;
    for (const auto& sequence : running_)
        if (sequence->window_full()) full.push_back(sequence.get());
    for (auto* sequence : full) {
        give_up_cells(*sequence);
        sequence->shift();
        sequence->blocks.reset();
        sequence->borders.clear();
    }
    park(full);  // the cells are computed anew: shared ones must never be shifted in place
}

void Scheduler::give_up_cells(Sequence& sequence) {
    auto tokens = sequence.tokens;
    tokens.resize(static_cast<std::size_t>(sequence.computed));
    guesser_.forget(sequence);
    kv_.keep(std::exchange(sequence.id, SequenceId{-1}), std::move(tokens), scope_of(sequence.request->request()));
}

void Scheduler::end_choice(Sequence& sequence) {
    reporter_.choice_over(sequence);
    if (--sequence.request->open_choices == 0) end_request(*sequence.request);
}

void Scheduler::end_request(RequestState& request) {
    const auto& tenant = request.request().tenant;
    gate_.remove_tokens(tenant, request.prepared->prompt.size());
    gate_.leave(tenant);
    fair_.leave(tenant);
    reporter_.request_over(request);
}

void Scheduler::beat() {
    if (!reporter_.beat_is_due()) return;
    const bool idle = running_.empty() && waiting_.empty();
    (void)kv_.persist(true, idle ? persisted_bytes_idle : persisted_bytes_busy);
    reporter_.beat(snapshot());
}

EngineHeartbeat Scheduler::snapshot() const {
    auto heartbeat = reporter_.heartbeat(running_, waiting_, waiting_.order(fair_, running_, max_queue_entries), kv_);
    if (const auto* draft = guesser_.draft_model()) heartbeat.metrics.draft_steps = draft->steps();
    return heartbeat;
}

void Scheduler::check_invariants() const {
    std::vector<SequenceId> all;
    for (const auto& sequence : running_) {
        assert_that(sequence->id != SequenceId{-1}, "a running sequence has an id");
        assert_that(sequence->pending() > 0, "a running sequence has something to compute");
        assert_that(kv_.ledger().length(sequence->id) == sequence->computed, "the ledger knows what is computed");
        all.push_back(sequence->id);
    }
    for (const auto& entry : kv_.cache().entries()) {
        assert_that(kv_.ledger().length(entry.id) == static_cast<std::int32_t>(entry.tokens.size()),
                    "a cached prefix holds one cell per token");
        all.push_back(entry.id);
    }
    for (const auto& sequence : waiting_) assert_that(sequence->id == SequenceId{-1}, "a waiting sequence holds nothing");
    std::ranges::sort(all);
    assert_that(std::ranges::adjacent_find(all) == all.end(), "no sequence id is used twice");
    assert_that(kv_.ledger().held_by(all) == kv_.ledger().used_cells(), "every used cell has an owner");
    assert_that(kv_.ledger().used_cells() <= engine_.limits().kv_cells, "the pool is not overdrawn");
    assert_that(std::ranges::is_sorted(running_, {}, [](const auto& s) { return s->arrival; }), "oldest first");
}

}  // namespace weft
