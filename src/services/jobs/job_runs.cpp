// How JobService runs its jobs: from the queue through the chat service to their end in the store.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <utility>

#include "base/log.h"
#include "services/chat/reply_parser.h"
#include "services/jobs/answer_turn.h"
#include "services/jobs/job_service.h"
#include "services/jobs/note_stages.h"

namespace weft {
namespace asio = boost::asio;
namespace {

constexpr double newest_share = 0.1;  // of the newest run in the mean time of a run

double seconds_between(std::int64_t from_ms, std::int64_t to_ms) { return static_cast<double>(std::max<std::int64_t>(0, to_ms - from_ms)) / 1000; }

std::string shared_key(const JobRow& row) { return row.tenant + '\n' + row.request_key; }

// The codes that clients see in a job's error.
std::string job_error_code(const Error& error) {
    switch (error.code) {
        case ErrorCode::not_found:
            if (error.field == "session_id") return "session_gone";
            return error.field == "documents" ? "documents_not_found" : "model_not_found";
        case ErrorCode::context_overflow: return "context_length_exceeded";
        case ErrorCode::timeout: return "deadline_exceeded";
        default: return std::string(stage_error_code(error));
    }
}

// The one choice of a reply, told apart.
class DeltaReader {
  public:
    explicit DeltaReader(const ReplyRules& rules) : rules_(rules) {}

    ReplyDelta add(GenerationEvent& event) {
        const auto* accepted = std::get_if<PromptAccepted>(&event);
        if (!parser_) parser_.emplace(rules_, accepted && accepted->thinking_open);
        if (auto* piece = std::get_if<TextPiece>(&event)) return parser_->feed(std::move(*piece));
        if (std::holds_alternative<ChoiceFinished>(event)) return parser_->finish();
        return {};
    }
    [[nodiscard]] bool last_call_is_cut_off() const { return parser_ && parser_->last_call_is_cut_off(); }

  private:
    const ReplyRules& rules_;
    std::optional<ReplyParser> parser_{};
};

// What a reply is kept as, in bytes.
std::size_t bytes_of(const SharedGeneration& generation) {
    std::size_t bytes = generation.output.text.size() + generation.held.size() + generation.thinking.size();
    for (const auto& call : generation.tool_calls) bytes += call.name.size() + call.arguments_json.size();
    return bytes;
}

}  // namespace

void JobService::start_next() {
    if (shared_) return claim_more();
    while (may_start(normal_priority)) {
        auto job = queue_.take(may_start(low_priority) ? INT32_MAX : low_priority - 1);
        if (!job) return;
        start(std::move(job));
    }
}

// Its readers must not see an attempt that the store has not heard of: after a crash its number would be given again.
void JobService::start(JobPtr job) {
    ++running_;
    if (job->row.priority >= low_priority) ++running_low_;
    const auto now = parts_.unix_ms();
    // Before the others, which join what this one begins.
    parts_.store.start({.number = job->row.number, .attempt = ++job->row.attempt}, now, [this, alive = alive_, job, now](const Result<bool>& started) {
        if (!*alive) return;
        if (job->ending || !started || !*started) {
            if (!job->ending) wait_again(job);
            return give_place_back(job->row);
        }
        job->row.started_ms = now;
        run(job);
    });
    for (auto& equal : queue_.take_equal(*job))
        parts_.store.start({.number = equal->row.number, .attempt = ++equal->row.attempt}, now,
                           [this, alive = alive_, equal, job, now](const Result<bool>& started) {
                               if (!*alive || equal->ending) return;
                               if (!started || !*started || !job->generation || job->generation->abandoned) return wait_again(equal);
                               equal->row.started_ms = now;
                               join(equal, job->generation);
                           });
}

// Something was in the way, not the job's fault.
void JobService::wait_again(const JobPtr& job) {
    auto timer = std::make_shared<asio::steady_timer>(parts_.io, parts_.limits.retry_write_after);
    timer->async_wait([this, alive = alive_, job, timer](const boost::system::error_code& error) {
        if (error || !*alive || job->ending) return;
        queue_.add(job);
        start_next();
    });
}

// The job has its place.
void JobService::run(JobPtr job) {
    job->row.status = JobStatus::processing;
    if (auto generation = running_equal(job->row)) {
        join(job, generation);
        return give_place_back(job->row);
    }
    auto generation = std::make_shared<SharedGeneration>();
    generation->priority = job->row.priority;
    if (!job->row.request_key.empty()) {
        generation->request_key = shared_key(job->row);
        equal_[generation->request_key] = generation;
    }
    generations_.insert(generation);
    join(job, generation);
    asio::co_spawn(parts_.io, generate(generation, job), [this, alive = alive_, generation, job](const std::exception_ptr& failure) {
        if (!*alive) return;
        if (failure) end_generation(generation, fail(ErrorCode::internal, "the server has failed on this job"));
        generations_.erase(generation);
        if (const auto equal = equal_.find(generation->request_key); equal != equal_.end() && equal->second.lock() == generation)
            equal_.erase(equal);
        give_place_back(job->row);
        if (draining_ && running_ == 0) drain_timer_.cancel();
    });
}

JobService::GenerationPtr JobService::running_equal(const JobRow& row) const {
    if (row.request_key.empty()) return nullptr;
    const auto found = equal_.find(shared_key(row));
    const auto generation = found == equal_.end() ? nullptr : found->second.lock();
    return generation && !generation->abandoned ? generation : nullptr;
}

void JobService::join(const JobPtr& job, const GenerationPtr& generation) {
    if (job->row.attempt > 1) ++metrics_.restarted;
    else metrics_.queue_s.observe(seconds_bounds, seconds_between(job->row.created_ms, job->row.started_ms));
    job->row.status = JobStatus::processing;
    job->row.output = generation->output;
    if (!generation->holds_text) job->row.thinking = generation->thinking;
    job->row.completion_tokens = generation->completion_tokens;
    job->kept_chunks = 0;
    job->generation = generation;
    generation->jobs.push_back(job);
    job->notify();
}

void JobService::leave_generation(const JobPtr& job) {
    const auto generation = std::exchange(job->generation, nullptr);
    std::erase(generation->jobs, job);
    if (generation->jobs.empty()) generation->abandon();
}

// ---- one generation -----------------------------------------------------------------------------------------------------

asio::awaitable<void> JobService::generate(GenerationPtr generation, JobPtr first) {
    const auto alive = alive_;
    const auto began = parts_.unix_ms();
    auto plan = co_await plan_of(first);
    if (!*alive || generation->abandoned) co_return;
    if (!plan) co_return end_generation(generation, std::unexpected(std::move(plan).error()));
    generation->own_turns = plan->own_turns;
    for (;;) {
        auto outcome = co_await run_stages(generation, *plan, first);
        if (!*alive || generation->abandoned) co_return;
        const auto code = outcome ? ErrorCode::internal : outcome.error().code;
        // The next process finds it unfinished.
        if (!outcome && draining_ && (code == ErrorCode::shutting_down || code == ErrorCode::engine_failed)) co_return;
        const bool again = !outcome && (code == ErrorCode::overloaded || code == ErrorCode::engine_failed);
        if (code == ErrorCode::engine_failed && ++first->engine_failures >= parts_.limits.engine_failures)
            co_return end_generation(generation, outcome);
        if (!again) {
            const auto took = static_cast<double>(parts_.unix_ms() - began);
            mean_run_ms_ = mean_run_ms_ == 0 ? took : (1 - newest_share) * mean_run_ms_ + newest_share * took;
            co_return end_generation(generation, outcome);
        }
        if (!co_await another_attempt(generation)) co_return;
    }
}

asio::awaitable<Result<JobPlan>> JobService::plan_of(JobPtr job) {
    const auto alive = alive_;
    if (job->row.request.empty()) {
        const Pending<std::string> pending(parts_.io);
        parts_.store.load_request(job->row.number, pending.setter());
        auto request = co_await pending.wait();
        if (!request) co_return std::unexpected(std::move(request).error());
        if (!*alive) co_return fail(ErrorCode::shutting_down, "the server is shutting down");
        job->row.request = std::move(*request);
    }
    std::optional<SessionRow> session;
    if (job->row.in_session) {
        auto found = co_await find_session(job->row.tenant, job->row.session_id);
        if (!*alive) co_return fail(ErrorCode::shutting_down, "the server is shutting down");
        // Without the turns before its own, the answer would be one to another question.
        if (!found && found.error().code == ErrorCode::not_found)
            co_return fail_field(ErrorCode::not_found, "session_id", "the session was deleted before the job ran");
        if (!found) co_return std::unexpected(std::move(found).error());
        session = std::move(*found);
    }
    const std::string request = std::exchange(job->row.request, {});
    auto plan = parts_.plan(job->row, request, session ? &*session : nullptr);
    if (plan) {
        plan->request.generate.tenant = job->row.tenant;
        plan->request.generate.request_id = job->row.id;
        plan->request.generate.priority = job->row.priority;
    }
    co_return plan;
}

asio::awaitable<Result<GenerationDone>> JobService::generate_once(GenerationPtr generation, JobPlan plan) {
    const auto pending = parts_.chat.begin(std::move(plan.request));
    generation->interrupt = [pending] { pending.cancel(); };
    auto reply = co_await pending.wait();
    if (!reply) co_return std::unexpected(std::move(reply).error());
    generation->interrupt = [&events = reply->events] { events.cancel(); };
    DeltaReader reader(reply->rules);
    auto last_kept = std::chrono::steady_clock::now();
    Result<GenerationDone> outcome = fail(ErrorCode::internal, "");
    for (bool ended = false; !ended;) {
        auto event = co_await reply->events.next();
        ended = is_last(event);
        if (generation->abandoned) break;
        if (auto* error = std::get_if<Error>(&event)) outcome = std::unexpected(std::move(*error));
        if (const auto* done = std::get_if<GenerationDone>(&event)) outcome = *done;
        if (const auto* accepted = std::get_if<PromptAccepted>(&event))
            for (const auto& job : generation->jobs) job->row.prompt_tokens = accepted->prompt_tokens;
        const auto* piece = std::get_if<TextPiece>(&event);
        const std::uint32_t tokens = piece ? piece->n_tokens : 0;
        if (!ended) add_reply(*generation, reader.add(event), tokens);
        // Arguments are kept as an object: a call that was cut off cannot be.
        if (std::holds_alternative<ChoiceFinished>(event) && reader.last_call_is_cut_off()) generation->tool_calls.pop_back();
        if (bytes_of(*generation) > parts_.limits.output_bytes) {
            reply->events.cancel();
            outcome = fail(ErrorCode::too_large, "the answer is longer than a job may keep");
            break;
        }
        if (const auto now = std::chrono::steady_clock::now(); now - last_kept >= parts_.limits.keep_text_every) {
            keep_text(*generation);
            last_kept = now;
        }
    }
    generation->interrupt = nullptr;
    co_return outcome;
}

// Readers are told of content as it comes; thinking and calls are told with the end.
void JobService::add_reply(SharedGeneration& generation, ReplyDelta delta, std::uint32_t tokens) {
    const auto add = [&delta](ChunkedText& output) {
        output.text += delta.content;
        output.sizes.push_back(static_cast<std::uint32_t>(delta.content.size()));
    };
    for (auto& call : delta.tool_calls) {
        auto& calls = generation.tool_calls;
        if (call.index >= calls.size()) calls.push_back({.id = "call_" + call.id, .name = std::move(call.name), .arguments_json = {}});
        calls.back().arguments_json += call.arguments;
    }
    generation.thinking += delta.thinking;
    generation.completion_tokens += tokens;
    if (generation.holds_text) {
        generation.held += delta.content;
        delta = {};
    }
    if (!delta.content.empty()) add(generation.output);
    for (const auto& job : generation.jobs) {
        job->row.thinking += delta.thinking;
        job->row.completion_tokens += tokens;
        if (delta.content.empty()) continue;
        add(job->row.output);
        job->notify();
    }
}

void JobService::keep_text(SharedGeneration& generation) {
    for (const auto& job : generation.jobs) {
        const auto& output = job->row.output;
        if (job->kept_chunks == output.sizes.size()) continue;
        const auto first = output.sizes.begin() + static_cast<std::ptrdiff_t>(job->kept_chunks);
        std::size_t offset = 0;
        for (auto size = output.sizes.begin(); size != first; ++size) offset += *size;
        const JobMark mark{.number = job->row.number, .attempt = job->row.attempt};
        parts_.store.keep_text(mark, job->kept_chunks, {.text = output.text.substr(offset), .sizes = {first, output.sizes.end()}},
                               [this, alive = alive_, job, mark, all = output.sizes.size()](const Result<std::size_t>& kept) {
                                   if (!*alive || job->row.attempt != mark.attempt || !job->generation) return;
                                   if (kept && *kept < all) job->kept_chunks = *kept;  // some are sent again
                                   if (!kept && shared_ && kept.error().code == ErrorCode::conflict) lose(job);
                               });
        job->kept_chunks = output.sizes.size();
    }
}

// Busy, or the engine died: once more from the start. What was told already is taken back by a new attempt, so its number
// must be on disk before anything of it is told.
asio::awaitable<bool> JobService::another_attempt(GenerationPtr generation) {
    const auto alive = alive_;
    asio::steady_timer pause(parts_.io, parts_.limits.retry_busy_after);
    generation->interrupt = [&pause] { pause.cancel(); };
    boost::system::error_code ignored;
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (*alive) generation->interrupt = nullptr;
    if (!*alive || generation->abandoned) co_return false;
    if (draining_) co_return false;
    const bool told = !generation->output.sizes.empty();
    generation->forget_text();
    for (const auto& job : generation->jobs) {
        job->row.thinking.clear();
        job->row.completion_tokens = 0;
    }
    if (!told) co_return true;
    const auto jobs = generation->jobs;  // some may leave meanwhile
    for (const auto& job : jobs) {
        if (job->generation != generation) continue;
        job->row.output = {};
        job->kept_chunks = 0;
        ++metrics_.restarted;
        const JobMark mark{.number = job->row.number, .attempt = job->row.attempt + 1};
        for (;;) {
            const Pending<bool> pending(parts_.io);
            parts_.store.start(mark, parts_.unix_ms(), [job, mark, answer = pending.setter()](Result<bool> started) {
                if (started && *started) job->row.attempt = mark.attempt;
                answer(std::move(started));
            });
            const auto started = co_await pending.wait();
            if (!*alive || generation->abandoned) co_return false;
            if (started && *started) break;
            if (started && shared_) {
                lose(job);
                break;
            }
            if (!shared_) {
                log_warn("job_attempt_not_stored", {{"job", job->row.id}});
                job->row.attempt = mark.attempt;
                break;
            }
            // Without its number in the store, another node could get the same one.
            pause.expires_after(parts_.limits.retry_write_after);
            generation->interrupt = [&pause] { pause.cancel(); };
            co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
            if (!*alive) co_return false;
            generation->interrupt = nullptr;
            if (generation->abandoned || draining_) co_return false;
        }
        job->notify();
    }
    co_return !generation->abandoned;
}

void JobService::end_generation(const GenerationPtr& generation, const Result<GenerationDone>& outcome) {
    if (generation->record && outcome) {
        const std::chrono::duration<double> since = std::chrono::steady_clock::now() - generation->text_ready;
        generation->record->add(Stage::deliver, since.count(), nullptr);
    }
    generation->abandoned = true;  // whoever comes now comes too late to share it
    const auto jobs = std::exchange(generation->jobs, {});
    for (const auto& job : jobs) {
        job->generation = nullptr;
        if (job->ending) continue;
        JobEnd end{.output = job->row.output, .thinking = job->row.thinking};
        note_stages(generation->record.get(), end);
        if (outcome) {
            end.tool_calls = tool_calls_json(generation->tool_calls);
            end.prompt_tokens = outcome->prompt_tokens;
            end.cached_tokens = outcome->cached_tokens;
            end.completion_tokens = outcome->completion_tokens;
            if (job->row.in_session) {
                end.session_id = job->row.session_id;
                end.turns = generation->own_turns;
                end.turns.push_back(answer_turn(end));
            }
        } else {
            end.status = JobStatus::failed;
            end.error_code = job_error_code(outcome.error());
            end.error_message = outcome.error().message;
            end.prompt_tokens = job->row.prompt_tokens;
            end.completion_tokens = job->row.completion_tokens;
        }
        finish(job, std::move(end));
    }
}

// ---- the end of a job ---------------------------------------------------------------------------------------------------

void JobService::finish(const JobPtr& job, JobEnd end) {
    job->ending = true;
    job->ending_since = std::chrono::steady_clock::now();
    end.finished_ms = parts_.unix_ms();
    end.expires_ms = end.finished_ms + parts_.limits.lifetime.count();
    end.callback_due = !job->row.callback_url.empty();
    write_end(job, std::make_shared<const JobEnd>(std::move(end)));
}

// Nobody is told of an end before it is on disk. One that does not fit there is kept until it does.
void JobService::write_end(const JobPtr& job, std::shared_ptr<const JobEnd> end) {
    const JobMark mark{.number = job->row.number, .attempt = job->row.attempt};
    parts_.store.finish(mark, *end, [this, alive = alive_, job, end](const Result<bool>& finished) {
        if (!*alive) return;
        if (finished && !*finished) log_error("job_ended_elsewhere", {{"job", job->row.id}, {"attempt", job->row.attempt}});
        if (finished && !*finished && shared_) return give_up(job);
        if (finished) return settle(job, *end);
        auto timer = std::make_shared<asio::steady_timer>(parts_.io, parts_.limits.retry_write_after);
        timer->async_wait([this, alive, job, end, timer](const boost::system::error_code& error) {
            if (!error && *alive) write_end(job, end);
        });
    });
}

void JobService::settle(const JobPtr& job, const JobEnd& end) {
    auto& row = job->row;
    apply_end(row, end);
    row.request.clear();
    if (const auto pipeline = pipeline_of(row.pipeline))
        pipeline->delivered(std::chrono::duration<double>(std::chrono::steady_clock::now() - job->ending_since).count());
    ++(row.status == JobStatus::completed ? metrics_.completed : row.status == JobStatus::failed ? metrics_.failed : metrics_.cancelled);
    if (row.started_ms > 0) metrics_.run_s.observe(seconds_bounds, seconds_between(row.started_ms, row.finished_ms));
    live_.erase(row.id);
    forget_deadline(*job);
    recent_.put(job);
    // Unless its model has been replaced meanwhile.
    if (row.status == JobStatus::completed && row.request_key.ends_with(key_of_model(row.model)))
        answers_.put(row.tenant, row.request_key,
                     {.output = row.output, .thinking = row.thinking, .tool_calls = row.tool_calls, .prompt_tokens = row.prompt_tokens, .completion_tokens = row.completion_tokens});
    job->notify();
    if (end.callback_due) send_callbacks_later(std::chrono::milliseconds{0});
}

// ---- callbacks ----------------------------------------------------------------------------------------------------------

namespace {

constexpr std::chrono::milliseconds callback_patience{1000};

}  // namespace

void JobService::send_callbacks_later(std::chrono::milliseconds patience) {
    callback_timer_.expires_after(patience);
    callback_timer_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
        if (!error && *alive) send_callbacks();
    });
}

void JobService::send_callbacks() {
    if (draining_) return;
    if (asking_callbacks_) {
        ask_callbacks_again_ = true;
        return;
    }
    if (sending_.size() >= callbacks_at_once) return;  // the end of one comes back here
    asking_callbacks_ = true;
    ask_callbacks_again_ = false;
    tried_meanwhile_.clear();
    CallbackRoom room{.callbacks = callbacks_at_once - sending_.size(), .of_tenant = callbacks_of_tenant, .under_way = sending_};
    parts_.store.due_callbacks(parts_.unix_ms(), std::move(room), [this, alive = alive_](Result<std::vector<JobRow>> due) {
        if (!*alive) return;
        asking_callbacks_ = false;
        bool more = ask_callbacks_again_;
        if (due) {
            for (auto& row : *due) {
                if (sending_.contains(row.number) || tried_meanwhile_.contains(row.number)) continue;
                send_callback(std::move(row));
                more = true;
            }
        }
        send_callbacks_later(more ? std::chrono::milliseconds{0} : callback_patience);
    });
}

// Under way until the store knows what became of it: it is due there until then.
void JobService::send_callback(JobRow row) {
    sending_.emplace(row.number, row.tenant);
    parts_.callbacks.send(row, [this, alive = alive_, number = row.number, tries = row.callback_tries + 1](bool delivered) {
        if (!*alive) return;
        ++(delivered ? metrics_.callbacks_delivered : metrics_.callbacks_failed);
        const auto delay = delivered ? 0 : callback_delay_ms(tries);
        const auto state = delivered ? CallbackState::delivered : delay == 0 ? CallbackState::given_up : CallbackState::due;
        parts_.store.callback_tried(number, state, tries, parts_.unix_ms() + delay, [this, alive, number](const Result<void>& written) {
            if (!*alive) return;
            sending_.erase(number);
            tried_meanwhile_.insert(number);
            send_callbacks_later(written ? std::chrono::milliseconds{0} : callback_patience);
        });
    });
}

}  // namespace weft
