#include "scheduler/scheduler.h"

#include <algorithm>
#include <bit>
#include <map>
#include <numeric>

#include "base/assert.h"
#include "base/log.h"
#include "scheduler/queue_view.h"

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
// What is copied to disk in one heartbeat while others wait for the step thread, and while nobody does.
constexpr std::uint64_t persisted_bytes_busy = 8ULL << 20;
constexpr std::uint64_t persisted_bytes_idle = 256ULL << 20;
// An engine that is told to end has this long to write its prefixes; it is killed a little later.
constexpr auto last_write_patience = std::chrono::seconds(8);

std::string scope_of(const GenerateRequest& request) {
    return request.shared_cache ? std::string("shared") : "tenant " + request.tenant;
}

}  // namespace

Scheduler::Scheduler(Engine& engine, const Vocabulary& vocabulary, const Clock& clock, EventSink& sink, Inbox& inbox,
                     AdmissionGate& gate, SamplerPool& pool, SpillStore* spill, SchedulerOptions options)
    : engine_(engine),
      vocabulary_(vocabulary),
      clock_(clock),
      sink_(sink),
      inbox_(inbox),
      gate_(gate),
      pool_(pool),
      options_(std::move(options)),
      kv_(engine, spill, options_.identity) {}

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
    drop_cancelled();   // frees slots and KV cells before anything is planned
    drop_late();
    admit();            // waiting_ -> running_, with the longest prefix that is there
    guess();
    last_rows_ = choose_rows();
    const BatchPlan plan = plan_batch(running_views(last_rows_), budget(last_rows_));  // pure: no llama_*, no clock
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
        ++meter_.metrics.interrupted_steps;  // nothing was computed; whoever was not meant is planned again
    } else {
        fail_batch(slices, decoded.error());
    }
    retire_finished();
    shift_full_windows();
    check_suspects();
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
    auto problem = can_be_in_time(*prepared);
    for (std::uint32_t choice = 0; choice < prepared->request.choices && problem; ++choice) {
        auto sequence = Sequence::create(state, choice, next_arrival_++, vocabulary_);
        if (!sequence) problem = std::unexpected(sequence.error());
        else choices.push_back(std::move(*sequence));
    }
    fair_.enter(prepared->request.tenant);
    if (!problem) {
        emit(prepared->id, problem.error());
        state->failed = true;
        return end_request(*state);
    }
    for (auto& sequence : choices) {
        fetch_blocks(*sequence);
        send_to_waiting(std::move(sequence));
    }
}

// Judged by the prompts that go before it; a shared prefix makes it sooner.
Result<void> Scheduler::can_be_in_time(const PreparedRequest& prepared) {
    const double speed = meter_.prefill_speed();
    if (prepared.request.deadline_ms == 0 || speed == 0) return {};
    std::size_t before = prepared.prompt.size();
    for (const auto& sequence : running_)
        if (!sequence->decodes()) before += static_cast<std::size_t>(sequence->pending());
    for (const auto& sequence : waiting_)
        if (sequence->request->request().priority <= prepared.request.priority) before += sequence->tokens.size();
    const auto waited = std::chrono::duration<double>(clock_.now() - prepared.accepted_at).count();
    const double needed = static_cast<double>(before) / speed;
    if ((waited + needed) * 1000 <= prepared.request.deadline_ms) return {};
    ++meter_.metrics.refused_deadlines;
    return std::unexpected(Error{.code = ErrorCode::overloaded,
                                 .message = "the deadline cannot be met: the first token would take about " +
                                            std::to_string(static_cast<int>(needed * 1000)) + " ms",
                                 .retry_after_s = std::clamp(static_cast<int>(needed), 1, 60)});
}

void Scheduler::drop_late() {
    const auto now = clock_.now();
    std::erase_if(waiting_, [&](SequencePtr& sequence) {
        auto& request = *sequence->request;
        const auto deadline = request.request().deadline_ms;
        if (deadline == 0 || request.planned_at || now - request.prepared->accepted_at <= std::chrono::milliseconds(deadline))
            return false;
        if (!request.failed) {
            ++meter_.metrics.refused_deadlines;
            emit(request.id(), Error{.code = ErrorCode::timeout, .message = "the deadline passed before the request could start"});
        }
        request.failed = true;
        sequence->finish_with(FinishReason::cancelled);
        end_choice(*sequence);
        return true;
    });
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
        if (sequence->id != SequenceId{-1}) give_up_cells(*sequence);
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
    if (!kv_.shares() || limit <= 0 || sequence.scores_prompt()) return {};
    const auto scope = scope_of(sequence.request->request());
    PrefixMatch best = kv_.cache().find(sequence.tokens, limit, scope);
    for (const auto& other : running_) {
        if (other.get() == not_from || scope_of(other->request->request()) != scope) continue;
        const std::span computed(other->tokens.data(), static_cast<std::size_t>(other->computed));
        const auto tokens = std::min(limit, common_prefix(sequence.tokens, computed));
        if (tokens > best.tokens) best = {.tokens = tokens, .holder = other->id};
    }
    if (const auto whole = sequence.with_whole_images(best.tokens); whole < best.tokens) best.tokens = whole, best.whole = false;
    best.positions = position_of(best.tokens, sequence.images());
    return best.tokens > 0 ? best : PrefixMatch{};
}

bool Scheduler::is_being_computed(const Sequence& sequence) const {
    if (!kv_.shares() || sequence.scores_prompt()) return false;
    const auto limit = static_cast<std::int32_t>(sequence.tokens.size()) - 1;
    const auto scope = scope_of(sequence.request->request());
    for (const auto& other : running_) {
        if (other->decodes() || other->request->paused || other->scores_prompt()) continue;
        if (scope_of(other->request->request()) != scope) continue;
        const auto shared = std::min(limit, common_prefix(sequence.tokens, other->tokens));
        if (shared <= other->computed) continue;
        if (shared - find_prefix(sequence, other.get()).tokens >= worth_sharing_tokens) return true;
    }
    return false;
}

std::vector<std::size_t> Scheduler::waiting_order(std::size_t limit) const {
    std::map<std::string, std::size_t> tenants;
    std::vector<double> served;
    std::vector<QueuedView> views;
    for (const auto& sequence : waiting_) {
        const auto& request = sequence->request->request();
        const auto [place, fresh] = tenants.try_emplace(request.tenant, served.size());
        if (fresh) served.push_back(fair_.served(request.tenant));
        views.push_back({.priority = request.priority,
                         .tenant = place->second,
                         .cost = static_cast<double>(sequence->tokens.size()) + decode_weight});
    }
    return fair_order(views, std::move(served), limit);
}

WaitingView Scheduler::waiting_view(Sequence& sequence) const {
    const auto match = find_prefix(sequence);
    if (sequence.fetching && *sequence.fetching) sequence.fetching = nullptr;
    sequence.deferred = is_being_computed(sequence);
    return {.uncached_tokens = static_cast<std::int32_t>(sequence.tokens.size()) - match.tokens,
            .donor_cells = match.from_cache ? match.tokens : 0,
            .deferred = sequence.deferred || sequence.fetching != nullptr};
}

void Scheduler::admit() {
    if (waiting_.empty()) return;
    const auto free_slots = static_cast<std::size_t>(options_.slots) - running_.size();
    const auto order = waiting_order(std::min(waiting_.size(), free_slots + admission_lookahead));
    std::vector<WaitingView> views;
    for (const auto i : order) views.push_back(waiting_view(*waiting_[i]));
    const auto admitted = plan_admission(running_views(RowKind::words), views, budget(RowKind::words));
    for (const auto i : admitted) {
        auto& sequence = waiting_[order[i]];
        // One that started a moment ago may be computing what this one needs.
        if (is_being_computed(*sequence)) continue;
        if (!start(*sequence)) break;
        running_.push_back(std::move(sequence));
    }
    const auto head = std::ranges::find(views, false, &WaitingView::deferred);
    if (admitted.empty() && head != views.end()) preempt_for(*waiting_[order[static_cast<std::size_t>(head - views.begin())]]);
    std::erase_if(waiting_, [](const SequencePtr& s) { return s == nullptr; });
    std::ranges::sort(running_, {}, [](const SequencePtr& s) { return s->arrival; });
}

void Scheduler::preempt_for(const Sequence& head) {
    std::map<std::string, std::size_t> tenants;
    std::vector<double> served;
    const auto view_of = [&](const Sequence& sequence) {
        const auto& request = sequence.request->request();
        const auto [place, fresh] = tenants.try_emplace(request.tenant, served.size());
        if (fresh) served.push_back(fair_.served(request.tenant));
        return QueuedView{.priority = request.priority, .tenant = place->second};
    };
    const auto wants = view_of(head);
    std::vector<QueuedView> views;
    for (const auto& sequence : running_) views.push_back(view_of(*sequence));
    if (const auto victim = choose_preempted(views, wants, served)) park({running_[*victim].get()});
}

std::span<const BlockKey> Scheduler::blocks_of(Sequence& sequence) const {
    if (kv_.spill_store() == nullptr || !kv_.shares() || sequence.scores_prompt()) return {};
    if (!sequence.blocks) sequence.blocks = kv_.chain_for(scope_of(sequence.request->request()));
    const auto keys = sequence.blocks->keys(sequence.tokens);
    // At least one token is computed anyway.
    return keys.first(std::min(keys.size(), (sequence.tokens.size() - 1) / block_tokens));
}

void Scheduler::fetch_blocks(Sequence& sequence) {
    const auto keys = blocks_of(sequence);
    const auto have = find_prefix(sequence).tokens;
    const auto outside = kv_.spilled_tokens(keys);
    if (outside - have < worth_sharing_tokens) return;
    const auto first = static_cast<std::size_t>(have / block_tokens);
    sequence.fetching = kv_.fetch(keys.subspan(first, static_cast<std::size_t>(outside / block_tokens) - first));
}

// Gives the sequence its id and whatever prefix is there. False when no id can be had.
bool Scheduler::start(Sequence& sequence) {
    auto match = find_prefix(sequence);
    const auto keys = blocks_of(sequence);
    const bool restores = kv_.spilled_tokens(keys) - match.tokens >= worth_sharing_tokens;
    if (restores && match.tokens % block_tokens != 0) {
        match.tokens = sequence.with_whole_images(match.tokens - match.tokens % block_tokens);
        match.positions = position_of(match.tokens, sequence.images());
        match.whole = false;
    }
    sequence.id = kv_.start(match);
    if (sequence.id == SequenceId{-1}) return false;
    sequence.computed = match.tokens;
    if (restores && match.tokens % block_tokens == 0) sequence.computed = kv_.restore(sequence.id, match.tokens, keys);
    sequence.fetching = nullptr;
    sequence.reused = sequence.computed;
    auto& request = *sequence.request;
    meter_.metrics.prefix_queries += sequence.tokens.size();
    meter_.metrics.prefix_hits += static_cast<std::uint64_t>(sequence.computed);
    if (sequence.generated() == 0 && sequence.parked == 0) {
        request.cached_tokens = std::max(request.cached_tokens, static_cast<std::uint32_t>(sequence.computed));
        totals_.cached_tokens += static_cast<std::uint64_t>(sequence.computed);
    }
    return true;
}

// ---- planning -------------------------------------------------------------------------------------------------------

// What those who decode could be about to say. The guesses are rows of the same call; those that are not what is sampled
// are taken back.
void Scheduler::guess() {
    std::size_t decoding = 0;
    for (const auto& sequence : running_) decoding += sequence->decodes() && !sequence->request->paused ? 1 : 0;
    const auto allowed = options_.guesses && !options_.deterministic && kv_.shares() ? guesses_allowed(decoding) : 0;
    for (const auto& sequence : running_) {
        sequence->guesses.clear();
        if (allowed == 0 || !sequence->decodes()) continue;
        // Never beyond the window or what is asked for: the last token is sampled, not guessed.
        auto most = std::min(allowed, sequence->guess_meter.length());
        const auto window = static_cast<std::size_t>(sequence->request->prepared->window);
        most = std::min(most, window - std::min(window, sequence->tokens.size() + 1));
        if (const auto asked = sequence->request->request().max_tokens)
            most = std::min<std::size_t>(most, *asked - std::min(*asked, sequence->generated() + 1));
        const auto found = look_up_prompt(sequence->tokens, most);
        sequence->guesses.assign(found.begin(), std::ranges::find_if(found, is_image));
    }
}

// After `rows` rows were computed and `sampled` tokens came of them: the rest was guessed wrong.
void Scheduler::note_guesses(Sequence& sequence, std::int32_t rows, std::int32_t sampled) {
    const auto guessed = static_cast<std::uint64_t>(rows - 1), right = static_cast<std::uint64_t>(sampled - 1);
    sequence.guess_meter.note(guessed, right);
    meter_.metrics.guessed_tokens += guessed;
    meter_.metrics.accepted_tokens += right;
    fair_.charge(sequence.request->request().tenant, decode_weight * static_cast<double>(right));
    if (sampled == rows) return;
    sequence.computed -= rows - sampled;
    kv_.truncate(sequence.id, sequence.computed, position_of(sequence.computed, sequence.images()));
}

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
    for (const auto& sequence : running_) {
        const auto& request = sequence->request->request();
        const auto* image = sequence->next_image();
        const bool other_kind = (image != nullptr) != (rows == RowKind::images);
        views.push_back({.pending = sequence->pending(),
                         .decodes = sequence->decodes(),
                         .paused = sequence->request->paused || other_kind,
                         .scores_prompt = sequence->scores_prompt(),
                         .parkable_cells = kv_.ledger().exclusive_cells(sequence->id),
                         .priority = request.priority,
                         .served = fair_.served(request.tenant),
                         .guesses = static_cast<std::int32_t>(sequence->guesses.size()),
                         .chunk = image != nullptr && !image->run->causal ? image->run->rows()
                                  : options_.deterministic                ? fixed_chunk(*sequence)
                                                                          : 0,
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
        return meter_.tokens_within(time, least, limits.max_batch_rows, first);
    };
    Budget budget{.free_cells = kv_.ledger().free_cells(),
                  .evictable_cells = kv_.evictable_cells(running_ids()),
                  .free_slots = options_.slots - static_cast<std::int32_t>(running_.size()),
                  .max_rows = limits.max_batch_rows,
                  .max_outputs = limits.max_outputs,
                  .prefill_tokens = within(options_.target_itl, smallest_prefill_chunk),
                  .prefill_alone_tokens = within(longest_step, first)};
    if (options_.deterministic || rows == RowKind::images) budget.turn = totals_.steps;
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

void Scheduler::park(const std::vector<Sequence*>& victims) {
    for (auto* victim : victims) {
        if (victim->id != SequenceId{-1}) give_up_cells(*victim);
        victim->computed = 0;
        ++victim->parked;
        ++meter_.metrics.parked;
        const auto place = std::ranges::find(running_, victim, [](const auto& s) { return s.get(); });
        send_to_waiting(std::move(*place));
        running_.erase(place);
        log_debug("sequence_parked", {{"free_cells", std::to_string(kv_.ledger().free_cells())}});
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

Result<void> Scheduler::decode(const BatchPlan& plan, const std::vector<Slice>& slices) {
    const bool is_image = running_[slices.front().running]->next_image() != nullptr;
    // A cancel of whoever fills most of the batch ends it at once; others' rows are few and computed again.
    for (const auto& slice : slices)
        if (2 * slice.tokens > plan.rows() && slice.tokens > 1 && !is_image)
            inbox_.watch(running_[slice.running]->request->id(), [this] { engine_.interrupt(); });
    const auto started = clock_.now();
    auto decoded = is_image ? decode_image(slices.front()) : engine_.decode(rows_of(slices));
    const auto took = clock_.now() - started;
    inbox_.unwatch();
    ++totals_.steps;
    totals_.step_ns += static_cast<std::uint64_t>(std::chrono::nanoseconds(took).count());
    if (decoded) meter_.step(plan, took);
    return decoded;
}

void Scheduler::note_computed(const std::vector<Slice>& slices) {
    for (const auto& slice : slices) {
        auto& sequence = *running_[slice.running];
        const bool decodes = sequence.decodes();
        if (!decodes) totals_.prefilled_tokens += static_cast<std::uint64_t>(slice.tokens);
        fair_.charge(sequence.request->request().tenant, decodes ? decode_weight : slice.tokens);
        kv_.append(sequence.id, slice.tokens);
        sequence.computed += slice.tokens;
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

// Samples the pending token's successor and goes on as long as it is what was guessed. How many tokens came of it. On
// the pool.
std::int32_t Scheduler::sample_guessed(Sequence& sequence, std::size_t first_row) {
    std::int32_t sampled = 0;
    for (std::size_t row = 0; row <= sequence.guesses.size(); ++row) {
        sequence.sample(engine_.logits(first_row + row), vocabulary_);
        ++sampled;
        if (sequence.finished() || row == sequence.guesses.size() || sequence.tokens.back() != sequence.guesses[row]) break;
    }
    return sampled;
}

void Scheduler::sample_and_emit(const std::vector<Slice>& slices) {
    struct Work {
        Sequence* sequence;
        std::size_t first_row;
        std::int32_t rows;
        std::int32_t first_position;
        bool completes;
        bool decodes;              // its rows are the pending token and guesses
        std::int32_t sampled = 0;
    };
    std::vector<Work> work;
    std::size_t row = 0;
    for (const auto& slice : slices) {
        auto& sequence = *running_[slice.running];
        if (slice.completes || sequence.scores_prompt())
            work.push_back({&sequence, row, slice.tokens, sequence.computed - slice.tokens, slice.completes,
                            sequence.generated() > 0 && slice.tokens == 1 + static_cast<std::int32_t>(sequence.guesses.size())});
        row += static_cast<std::size_t>(slice.tokens);
    }
    pool_.for_each(work.size(), [&](std::size_t i) {
        auto& item = work[i];
        if (item.decodes) {
            item.sampled = sample_guessed(*item.sequence, item.first_row);
            return;
        }
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
        if (item.decodes) note_guesses(sequence, item.rows, item.sampled);
        if (sequence.scores_prompt()) {
            sequence.prompt_scored();
            if (sequence.choice == 0) {
                const auto& prepared = *request.prepared;
                emit(request.id(),
                     PromptAccepted{.prompt_tokens = static_cast<std::uint32_t>(prepared.prompt.size()),
                                    .tokens = prepared.request.want_prompt_tokens ? words_of(prepared.prompt) : std::vector<Token>{},
                                    .prompt_logprobs = std::move(request.prompt_logprobs)});
            }
        }
        if (sequence.generated() > 0 || sequence.finish()) meter_.tokens(sequence, now, std::max(item.sampled, 1));
        if (auto piece = sequence.take_piece()) emit(request.id(), std::move(*piece));
    }
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
    }
    park(full);  // the cells are computed anew: shared ones must never be shifted in place
}

void Scheduler::give_up_cells(Sequence& sequence) {
    auto tokens = sequence.tokens;
    tokens.resize(static_cast<std::size_t>(sequence.computed));
    kv_.keep(std::exchange(sequence.id, SequenceId{-1}), std::move(tokens), scope_of(sequence.request->request()));
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
    if (sequence.finish() && sequence.finish()->reason == FinishReason::length) request.ended_by_length = true;
    if (--request.open_choices == 0) end_request(request);
}

void Scheduler::end_request(RequestState& request) {
    gate_.remove_tokens(request.prepared->prompt.size());
    gate_.leave();
    fair_.leave(request.request().tenant);
    meter_.request(request, clock_.now());
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
    const bool idle = running_.empty() && waiting_.empty();
    (void)kv_.persist(true, idle ? persisted_bytes_idle : persisted_bytes_busy);
    sink_.heartbeat(snapshot());
}

EngineHeartbeat Scheduler::snapshot() const {
    auto heartbeat = totals_;
    heartbeat.running = static_cast<std::uint32_t>(running_.size());
    heartbeat.waiting = static_cast<std::uint32_t>(waiting_.size());
    heartbeat.kv_cells_used = static_cast<std::uint32_t>(kv_.ledger().used_cells());
    heartbeat.queue = queue_view(running_, waiting_, waiting_order(max_queue_entries), clock_.now());
    auto& metrics = heartbeat.metrics = meter_.metrics;
    metrics.parked_now = static_cast<std::uint32_t>(std::ranges::count_if(waiting_, [](const auto& s) { return s->parked > 0; }));
    metrics.kv_cells_evictable = static_cast<std::uint32_t>(kv_.evictable_cells(running_ids()));
    metrics.cached_prefixes = static_cast<std::uint32_t>(kv_.cache().size());
    metrics.restored_tokens = kv_.restored_tokens();
    metrics.cache_evictions = kv_.evictions();
    if (const auto* store = kv_.spill_store()) {
        const auto totals = store->totals();
        metrics.cache_host_bytes = totals.host_bytes;
        metrics.cache_disk_bytes = totals.disk_bytes;
        metrics.spilled_blocks = totals.spilled_blocks;
        metrics.fetched_blocks = totals.fetched_blocks;
    }
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
