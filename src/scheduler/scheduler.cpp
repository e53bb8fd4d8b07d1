#include "scheduler/scheduler.h"

#include <algorithm>

#include "base/assert.h"
#include "base/log.h"

namespace weft {
namespace {

// Sharing with a sequence that is still prefilling is worth waiting for from this many tokens on.
constexpr std::int32_t worth_sharing_tokens = 32;
constexpr std::size_t max_early_cancels = 4096;
// Waiting sequences looked at per step beyond the free slots: the others cannot start anyway.
constexpr std::size_t admission_lookahead = 8;
constexpr std::int32_t smallest_prefill_chunk = 16;
// Until the speed is known; also the smallest chunk when nobody decodes.
constexpr std::int32_t first_prefill_chunk = 64;
constexpr auto longest_step = std::chrono::seconds(1);

}  // namespace

Scheduler::Scheduler(Engine& engine, const Vocabulary& vocabulary, const Clock& clock, EventSink& sink, Inbox& inbox,
                     AdmissionGate& gate, SamplerPool& pool, SchedulerOptions options)
    : engine_(engine),
      vocabulary_(vocabulary),
      clock_(clock),
      sink_(sink),
      inbox_(inbox),
      gate_(gate),
      pool_(pool),
      options_(options),
      ledger_(engine.limits().kv_cells, engine.limits().max_sequences) {}

void Scheduler::run() {
    while (!inbox_.closed()) step();
}

// Thread: step. One step is at most one decode call.
void Scheduler::step() {
    thread_.check();
    take_arrivals();    // inbox -> waiting_
    drop_cancelled();   // frees slots and KV cells before anything is planned
    admit();            // waiting_ -> running_, with the longest prefix that is there
    const BatchPlan plan = plan_batch(running_views(), budget());  // pure: no llama_*, no clock
    std::vector<Sequence*> victims;
    for (const auto i : plan.park) victims.push_back(running_[i].get());
    if (plan.slices.empty()) {
        park(victims);
        flush();
        beat();
        if (victims.empty()) inbox_.wait_for(options_.heartbeat_every);
        return;
    }
    std::vector<Slice> slices = plan.slices;
    if (!victims.empty()) {
        // Parking changes the indices: remember the sequences, not their places.
        std::vector<const Sequence*> planned;
        for (const auto& slice : slices) planned.push_back(running_[slice.running].get());
        park(victims);
        for (std::size_t i = 0; i < slices.size(); ++i) {
            const auto place = std::ranges::find(running_, planned[i], [](const auto& s) { return s.get(); });
            slices[i].running = static_cast<std::size_t>(place - running_.begin());
        }
    }
    make_room(plan.rows());
    note_planned(slices);
    const auto started = clock_.now();
    const auto decoded = engine_.decode(rows_of(slices));
    measure(plan, clock_.now() - started);
    if (!decoded) {
        fail_batch(slices, decoded.error());
    } else {
        for (const auto& slice : slices) {
            auto& sequence = *running_[slice.running];
            ledger_.append(sequence.id, slice.tokens);
            sequence.computed += slice.tokens;
        }
        sample_and_emit(slices);
    }
    retire_finished();
    shift_full_windows();
    trim_cache(plan.decode_rows);
    flush();
    beat();
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
    totals_.prompt_tokens += prepared->prompt.size();
    if (const auto early = std::ranges::find(early_cancels_, prepared->id); early != early_cancels_.end()) {
        early_cancels_.erase(early);
        state->cancelled = true;
    }
    std::vector<SequencePtr> choices;
    for (std::uint32_t choice = 0; choice < prepared->request.choices; ++choice) {
        auto sequence = Sequence::create(state, choice, next_arrival_++, vocabulary_);
        if (!sequence) {
            emit(prepared->id, sequence.error());
            gate_.leave();
            return;
        }
        choices.push_back(std::move(*sequence));
    }
    for (auto& sequence : choices) send_to_waiting(std::move(sequence));
}

void Scheduler::send_to_waiting(SequencePtr sequence) {
    const auto rank = [](const SequencePtr& s) { return std::pair(s->request->request().priority, s->arrival); };
    const auto place = std::ranges::upper_bound(waiting_, rank(sequence), {}, rank);
    waiting_.insert(place, std::move(sequence));
}

void Scheduler::drop_cancelled() {
    const auto drop = [&](SequencePtr& sequence) {
        if (!sequence->request->cancelled) return false;
        sequence->finish_with(FinishReason::cancelled);
        if (sequence->id != SequenceId{-1}) keep_prefix(*sequence);
        end_choice(*sequence);
        return true;
    };
    std::erase_if(waiting_, drop);
    std::erase_if(running_, drop);
}

// ---- admission ------------------------------------------------------------------------------------------------------

PrefixMatch Scheduler::find_prefix(const Sequence& sequence, const Sequence* not_from) const {
    // At least one token is computed anyway: its logits are wanted. Scoring a prompt wants them all.
    const auto limit = static_cast<std::int32_t>(sequence.tokens.size()) - 1;
    if (!engine_.limits().shares_prefixes || limit <= 0 || sequence.scores_prompt()) return {};
    const auto& tenant = sequence.request->request().tenant;
    PrefixMatch best = cache_.find(sequence.tokens, limit, tenant);
    for (const auto& other : running_) {
        if (other.get() == not_from || other->request->request().tenant != tenant) continue;
        const std::span computed(other->tokens.data(), static_cast<std::size_t>(other->computed));
        const auto tokens = std::min(limit, common_prefix(sequence.tokens, computed));
        if (tokens > best.tokens) best = {.tokens = tokens, .holder = other->id};
    }
    return best;
}

bool Scheduler::is_being_computed(const Sequence& sequence) const {
    if (!engine_.limits().shares_prefixes || sequence.scores_prompt()) return false;
    const auto limit = static_cast<std::int32_t>(sequence.tokens.size()) - 1;
    for (const auto& other : running_) {
        if (other->decodes() || other->request->paused || other->scores_prompt()) continue;
        if (other->request->request().tenant != sequence.request->request().tenant) continue;
        const auto shared = std::min(limit, common_prefix(sequence.tokens, other->tokens));
        if (shared <= other->computed) continue;
        if (shared - find_prefix(sequence, other.get()).tokens >= worth_sharing_tokens) return true;
    }
    return false;
}

void Scheduler::admit() {
    const auto free_slots = options_.slots - static_cast<std::int32_t>(running_.size());
    if (waiting_.empty() || free_slots <= 0) return;
    std::vector<WaitingView> views;
    const auto lookahead = std::min(waiting_.size(), static_cast<std::size_t>(free_slots) + admission_lookahead);
    for (std::size_t i = 0; i < lookahead; ++i) {
        const auto& sequence = *waiting_[i];
        const auto match = find_prefix(sequence);
        views.push_back({.uncached_tokens = static_cast<std::int32_t>(sequence.tokens.size()) - match.tokens,
                         .donor_cells = match.from_cache ? match.tokens : 0,
                         .deferred = is_being_computed(sequence)});
    }
    const auto admitted = plan_admission(running_views(), views, budget());
    for (const auto i : admitted) {
        auto& sequence = waiting_[i];
        // One that started a moment ago may be computing what this one needs.
        if (is_being_computed(*sequence)) continue;
        if (!start(*sequence)) break;
        running_.push_back(std::move(sequence));
    }
    std::erase_if(waiting_, [](const SequencePtr& s) { return s == nullptr; });
    std::ranges::sort(running_, {}, [](const SequencePtr& s) { return s->arrival; });
}

// Gives the sequence its id and whatever prefix is there. False when no id can be had.
bool Scheduler::start(Sequence& sequence) {
    auto match = find_prefix(sequence);
    if (match.from_cache && match.whole) {
        cache_.take_over(match.holder);
        sequence.id = match.holder;
    } else {
        if (match.from_cache) cache_.touch(match.holder);
        auto id = ledger_.claim();
        while (id == SequenceId{-1}) {
            const auto evicted = cache_.evict();
            if (!evicted) return false;
            if (*evicted == match.holder) match = {};
            engine_.remove(*evicted);
            ledger_.release(*evicted);
            id = ledger_.claim();
        }
        sequence.id = id;
        if (match.tokens > 0) {
            engine_.share_prefix(match.holder, id, match.tokens);
            ledger_.share_prefix(match.holder, id, match.tokens);
        }
    }
    sequence.computed = match.tokens;
    auto& request = *sequence.request;
    if (sequence.generated() == 0) {
        request.cached_tokens = std::max(request.cached_tokens, static_cast<std::uint32_t>(match.tokens));
        totals_.cached_tokens += static_cast<std::uint64_t>(match.tokens);
    }
    return true;
}

// ---- planning -------------------------------------------------------------------------------------------------------

std::vector<RunningView> Scheduler::running_views() const {
    std::vector<RunningView> views;
    views.reserve(running_.size());
    for (const auto& sequence : running_) {
        views.push_back({.pending = sequence->pending(),
                         .decodes = sequence->decodes(),
                         .paused = sequence->request->paused,
                         .scores_prompt = sequence->scores_prompt(),
                         .parkable_cells = ledger_.exclusive_cells(sequence->id)});
    }
    return views;
}

Budget Scheduler::budget() const {
    std::vector<SequenceId> held;
    held.reserve(running_.size());
    for (const auto& sequence : running_) held.push_back(sequence->id);
    const auto& limits = engine_.limits();
    const auto within = [&](Duration time, std::int32_t least) {
        if (prefill_tokens_per_second_ == 0) return std::min(first_prefill_chunk, limits.max_batch_rows);
        const double tokens = prefill_tokens_per_second_ * std::chrono::duration<double>(time).count();
        return std::max(static_cast<std::int32_t>(std::min<double>(tokens, limits.max_batch_rows)), least);
    };
    return {.free_cells = ledger_.free_cells(),
            .evictable_cells = ledger_.used_cells() - ledger_.held_by(held),
            .free_slots = options_.slots - static_cast<std::int32_t>(running_.size()),
            .max_rows = limits.max_batch_rows,
            .max_outputs = limits.max_outputs,
            .prefill_tokens = within(options_.target_itl, smallest_prefill_chunk),
            .prefill_alone_tokens = within(longest_step, std::min(first_prefill_chunk, limits.max_batch_rows))};
}

void Scheduler::park(const std::vector<Sequence*>& victims) {
    for (auto* victim : victims) {
        engine_.remove(victim->id);
        ledger_.release(victim->id);
        victim->id = SequenceId{-1};
        victim->computed = 0;
        const auto place = std::ranges::find(running_, victim, [](const auto& s) { return s.get(); });
        send_to_waiting(std::move(*place));
        running_.erase(place);
        log_debug("sequence_parked", {{"free_cells", std::to_string(ledger_.free_cells())}});
    }
}

void Scheduler::make_room(std::int32_t cells) {
    while (ledger_.free_cells() < cells) {
        const auto evicted = cache_.evict();
        assert_that(evicted.has_value(), "the plan asks for no more cells than can be freed");
        engine_.remove(*evicted);
        ledger_.release(*evicted);
    }
}

void Scheduler::trim_cache(std::int32_t decode_rows) {
    const auto& limits = engine_.limits();
    const auto limit = idle_cell_limit(limits.kv_cells, limits.context_tokens, decode_rows);
    while (cache_.size() > 0 && budget().evictable_cells > limit) {
        const auto evicted = cache_.evict();
        if (!evicted) return;
        engine_.remove(*evicted);
        ledger_.release(*evicted);
    }
}

std::vector<BatchRow> Scheduler::rows_of(const std::vector<Slice>& slices) const {
    std::vector<BatchRow> rows;
    for (const auto& slice : slices) {
        const auto& sequence = *running_[slice.running];
        for (std::int32_t i = 0; i < slice.tokens; ++i) {
            const auto position = sequence.computed + i;
            const bool last = slice.completes && i + 1 == slice.tokens;
            rows.push_back({.token = sequence.tokens[static_cast<std::size_t>(position)],
                            .position = position,
                            .sequence = sequence.id,
                            .wants_logits = last || sequence.scores_prompt()});
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

void Scheduler::measure(const BatchPlan& plan, Duration took) {
    ++totals_.steps;
    totals_.step_ns += static_cast<std::uint64_t>(std::chrono::nanoseconds(took).count());
    totals_.prefilled_tokens += static_cast<std::uint64_t>(plan.prefill_tokens);
    const double seconds = std::chrono::duration<double>(took).count();
    if (plan.prefill_tokens < smallest_prefill_chunk || seconds <= 0) return;
    const double speed = plan.rows() / seconds;
    prefill_tokens_per_second_ = prefill_tokens_per_second_ == 0 ? speed : 0.8 * prefill_tokens_per_second_ + 0.2 * speed;
}

// ---- after the decode -----------------------------------------------------------------------------------------------

void Scheduler::fail_batch(const std::vector<Slice>& slices, const Error& error) {
    log_error("decode_failed", {{"reason", error.message}, {"detail", error.detail}});
    for (const auto& slice : slices) {
        auto& sequence = *running_[slice.running];
        // What libllama has of these rows is not known: drop them and all that came before.
        engine_.remove(sequence.id);
        ledger_.truncate(sequence.id, 0);
        sequence.computed = 0;
        if (!sequence.request->failed) emit(sequence.request->id(), error);
        sequence.request->failed = true;
        sequence.finish_with(FinishReason::cancelled);
    }
    // The other choices of a failed request end with it.
    for (const auto& sequence : running_)
        if (sequence->request->failed && !sequence->finished()) sequence->finish_with(FinishReason::cancelled);
    std::erase_if(waiting_, [&](const SequencePtr& sequence) {
        if (!sequence->request->failed) return false;
        sequence->finish_with(FinishReason::cancelled);
        end_choice(*sequence);
        return true;
    });
}

void Scheduler::sample_and_emit(const std::vector<Slice>& slices) {
    struct Work {
        Sequence* sequence;
        std::size_t first_row;
        std::int32_t rows;
        std::int32_t first_position;
        bool completes;
    };
    std::vector<Work> work;
    std::size_t row = 0;
    for (const auto& slice : slices) {
        auto& sequence = *running_[slice.running];
        if (slice.completes || sequence.scores_prompt())
            work.push_back({&sequence, row, slice.tokens, sequence.computed - slice.tokens, slice.completes});
        row += static_cast<std::size_t>(slice.tokens);
    }
    pool_.for_each(work.size(), [&](std::size_t i) {
        const auto& item = work[i];
        if (item.sequence->scores_prompt()) {
            const std::int32_t scored = item.completes ? item.rows - 1 : item.rows;
            for (std::int32_t r = 0; r < scored; ++r)
                item.sequence->score_prompt(engine_.logits(item.first_row + static_cast<std::size_t>(r)),
                                            item.first_position + r, vocabulary_);
        }
        if (!item.completes) return;
        const auto last = item.first_row + static_cast<std::size_t>(item.rows) - 1;
        if (item.sequence->request->request().max_tokens == 0U) item.sequence->finish_with(FinishReason::length);
        else item.sequence->sample(engine_.logits(last), vocabulary_);
    });
    const auto now = clock_.now();
    for (const auto& item : work) {
        if (!item.completes) continue;
        auto& sequence = *item.sequence;
        auto& request = *sequence.request;
        if (sequence.scores_prompt()) {
            sequence.prompt_scored();
            if (sequence.choice == 0) {
                const auto& prepared = *request.prepared;
                emit(request.id(),
                     PromptAccepted{.prompt_tokens = static_cast<std::uint32_t>(prepared.prompt.size()),
                                    .tokens = prepared.request.want_prompt_tokens ? prepared.prompt : std::vector<Token>{},
                                    .prompt_logprobs = std::move(request.prompt_logprobs)});
            }
        }
        if (sequence.generated() > 0 || sequence.finish()) {
            if (!request.first_token_at) request.first_token_at = now;
            request.last_token_at = now;
        }
        if (auto piece = sequence.take_piece()) emit(request.id(), std::move(*piece));
    }
}

void Scheduler::retire_finished() {
    std::erase_if(running_, [&](const SequencePtr& sequence) {
        if (!sequence->finished()) return false;
        keep_prefix(*sequence);
        end_choice(*sequence);
        return true;
    });
}

void Scheduler::shift_full_windows() {
    std::vector<Sequence*> full;
    for (const auto& sequence : running_)
        if (sequence->window_full()) full.push_back(sequence.get());
    for (auto* sequence : full) sequence->shift();
    park(full);  // the cells are computed anew: shared ones must never be shifted in place
}

// The cells of a sequence that is over stay for prompts that begin like it.
void Scheduler::keep_prefix(Sequence& sequence) {
    const auto release = [&](SequenceId id) {
        engine_.remove(id);
        ledger_.release(id);
    };
    const auto id = std::exchange(sequence.id, SequenceId{-1});
    if (!engine_.limits().shares_prefixes || sequence.computed == 0) {
        release(id);
        return;
    }
    PrefixCache::Entry entry{.id = id, .tokens = sequence.tokens, .tenant = sequence.request->request().tenant};
    entry.tokens.resize(static_cast<std::size_t>(sequence.computed));
    for (const auto superfluous : cache_.insert(std::move(entry))) release(superfluous);
}

void Scheduler::end_choice(Sequence& sequence) {
    auto& request = *sequence.request;
    request.completion_tokens += sequence.generated();
    totals_.completion_tokens += sequence.generated();
    if (!request.failed && sequence.error()) {
        request.failed = true;
        emit(request.id(), *sequence.error());
        request.cancelled = true;  // ends the other choices before the next plan
    }
    if (!request.failed && !request.cancelled && sequence.finish()) emit(request.id(), *sequence.finish());
    if (--request.open_choices > 0) return;
    gate_.leave();
    if (request.failed) return;
    if (request.cancelled) {
        emit(request.id(), Error{.code = ErrorCode::cancelled, .message = "the request was cancelled"});
        return;
    }
    const auto ns = [](TimePoint from, TimePoint to) {
        return to > from ? static_cast<std::uint64_t>(std::chrono::nanoseconds(to - from).count()) : 1U;
    };
    const auto planned = request.planned_at.value_or(request.prepared->accepted_at);
    const auto first = request.first_token_at.value_or(planned);
    emit(request.id(), GenerationDone{.prompt_tokens = static_cast<std::uint32_t>(request.prepared->prompt.size()),
                                      .cached_tokens = request.cached_tokens,
                                      .completion_tokens = request.completion_tokens,
                                      .timings = {.queue_ns = ns(request.prepared->accepted_at, planned),
                                                  .prefill_ns = ns(planned, first),
                                                  .decode_ns = ns(first, request.last_token_at)}});
}

// ---- telling --------------------------------------------------------------------------------------------------------

void Scheduler::emit(std::uint64_t id, GenerationEvent event) {
    frame_.events.push_back({.id = id, .event = std::move(event)});
}

void Scheduler::flush() {
    if (frame_.events.empty()) return;
    sink_.send(std::exchange(frame_, {}));
}

void Scheduler::beat() {
    const auto now = clock_.now();
    if (now - last_beat_ < options_.heartbeat_every && last_beat_ != TimePoint{}) return;
    last_beat_ = now;
    sink_.heartbeat(snapshot());
}

EngineHeartbeat Scheduler::snapshot() const {
    auto heartbeat = totals_;
    heartbeat.running = static_cast<std::uint32_t>(running_.size());
    heartbeat.waiting = static_cast<std::uint32_t>(waiting_.size());
    heartbeat.kv_cells_used = static_cast<std::uint32_t>(ledger_.used_cells());
    return heartbeat;
}

void Scheduler::check_invariants() const {
    std::vector<SequenceId> all;
    for (const auto& sequence : running_) {
        assert_that(sequence->id != SequenceId{-1}, "a running sequence has an id");
        assert_that(sequence->pending() > 0, "a running sequence has something to compute");
        assert_that(ledger_.length(sequence->id) == sequence->computed, "the ledger knows what is computed");
        all.push_back(sequence->id);
    }
    for (const auto& entry : cache_.entries()) {
        assert_that(ledger_.length(entry.id) == static_cast<std::int32_t>(entry.tokens.size()),
                    "a cached prefix holds one cell per token");
        all.push_back(entry.id);
    }
    for (const auto& sequence : waiting_) assert_that(sequence->id == SequenceId{-1}, "a waiting sequence holds nothing");
    std::ranges::sort(all);
    assert_that(std::ranges::adjacent_find(all) == all.end(), "no sequence id is used twice");
    assert_that(ledger_.held_by(all) == ledger_.used_cells(), "every used cell has an owner");
    assert_that(ledger_.used_cells() <= engine_.limits().kv_cells, "the pool is not overdrawn");
    assert_that(std::ranges::is_sorted(running_, {}, [](const auto& s) { return s->arrival; }), "oldest first");
}

}  // namespace weft
