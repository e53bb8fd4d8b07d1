#include "runner/supervised_runner.h"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "base/log.h"

namespace weft {
namespace asio = boost::asio;
namespace {

// The first restart is immediate; a second crash in a row waits, so that a broken model does not spin.
constexpr auto second_restart_delay = std::chrono::milliseconds(250);

}  // namespace

std::shared_ptr<SupervisedRunner> SupervisedRunner::load(asio::any_io_executor io, SupervisedRunnerOptions options,
                                                         std::function<void(Result<std::shared_ptr<Runner>>)> done) {
    std::shared_ptr<SupervisedRunner> runner(
        new SupervisedRunner(std::move(io), std::move(options), std::move(done)));
    asio::post(runner->io_, [weak = std::weak_ptr(runner)] {
        if (const auto self = weak.lock()) self->spawn();
    });
    return runner;
}

SupervisedRunner::SupervisedRunner(asio::any_io_executor io, SupervisedRunnerOptions options,
                                   std::function<void(Result<std::shared_ptr<Runner>>)> done)
    : io_(std::move(io)), options_(std::move(options)), done_(std::move(done)), timer_(io_), watchdog_(io_) {}

SupervisedRunner::~SupervisedRunner() {
    fail_all({.code = ErrorCode::engine_failed, .message = "the model was unloaded"});
    if (process_) process_->stop();
}

void SupervisedRunner::spawn() {
    auto process = EngineProcess::start(io_, options_.program, options_.load, hooks());
    if (!process) return give_up(process.error());
    process_ = std::move(*process);
    log_info("engine_started", {{"model", options_.model_name}, {"pid", process_->pid()}});
    if (options_.load_timeout.count() <= 0) return;
    timer_.expires_after(options_.load_timeout);
    timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
        const auto self = weak.lock();
        if (error || !self || self->state_ == State::ready) return;
        self->give_up({.code = ErrorCode::model_load_failed, .message = "the model took too long to load"});
    });
}

EngineProcess::Hooks SupervisedRunner::hooks() {
    // The process may outlive its runner while it ends.
    const auto with_self = [weak = weak_from_this()](auto&& action) {
        if (const auto self = weak.lock()) action(*self);
    };
    return {
        .on_ready = [=](const ModelDescription& d) { with_self([&](auto& self) { self.became_ready(d); }); },
        .on_failed = [=](Error e) { with_self([&](auto& self) { self.give_up(std::move(e)); }); },
        .on_death = [=](Error e) { with_self([&](auto& self) { self.died(std::move(e)); }); },
        .on_heartbeat =
            [=](const EngineHeartbeat& beat) {
                with_self([&](auto& self) {
                    self.stats_ = {.heartbeat = std::chrono::steady_clock::now(),
                                   .running = beat.running,
                                   .waiting = beat.waiting,
                                   .kv_cells_used = beat.kv_cells_used,
                                   .prompt_tokens = beat.prompt_tokens,
                                   .prefilled_tokens = beat.prefilled_tokens,
                                   .cached_tokens = beat.cached_tokens,
                                   .completion_tokens = beat.completion_tokens,
                                   .steps = beat.steps,
                                   .step_ns = beat.step_ns,
                                   .metrics = beat.metrics,
                                   .queue = beat.queue};
                });
            },
        .on_event =
            [=](std::uint64_t id, GenerationEvent event) {
                with_self([&](auto& self) { self.deliver(id, std::move(event)); });
            },
        .on_embed =
            [=](EmbedReply r) {
                with_self([&](auto& self) {
                    self.description_.memory_bytes += r.more_memory_bytes;
                    self.answer(self.embeds_, std::move(r));
                });
            },
        .on_tokenize = [=](TokenizeReply r) { with_self([&](auto& self) { self.answer(self.tokenizes_, std::move(r)); }); },
        .on_text = [=](TextReply r) { with_self([&](auto& self) { self.answer(self.texts_, std::move(r)); }); },
        .on_pieces = [=](PiecesReply r) { with_self([&](auto& self) { self.answer(self.pieces_, std::move(r)); }); },
        .on_count = [=](CountReply r) { with_self([&](auto& self) { self.answer(self.counts_, std::move(r)); }); },
    };
}

void SupervisedRunner::became_ready(const ModelDescription& description) {
    timer_.cancel();
    description_ = description;
    state_ = State::ready;
    stats_ = {};
    stats_.heartbeat = std::chrono::steady_clock::now();
    log_info("model_ready", {{"model", options_.model_name}, {"pid", process_->pid()}});
    watch();
    for (auto& [id, message] : std::exchange(held_, {})) process_->send(message);
    if (auto done = std::exchange(done_, nullptr)) done(std::shared_ptr<Runner>(shared_from_this()));
}

void SupervisedRunner::watch() {
    const auto patience = options_.hang_timeout;
    if (patience.count() <= 0) return;
    watchdog_.expires_after(patience / 8);
    watchdog_.async_wait([weak = weak_from_this(), patience](boost::system::error_code error) {
        const auto self = weak.lock();
        if (error || !self || self->state_ != State::ready) return;
        if (std::chrono::steady_clock::now() - self->stats_.heartbeat > patience) {
            log_error("engine_hangs", {{"model", self->options_.model_name}, {"pid", self->pid()}});
            return self->process_->kill();
        }
        self->watch();
    });
}

void SupervisedRunner::stop(std::function<void()> ended) {
    state_ = State::gone;
    gone_reason_ = {.code = ErrorCode::engine_failed, .message = "the model was unloaded"};
    timer_.cancel();
    held_.clear();
    // A model at work is only ever ended with the server.
    fail_all({.code = ErrorCode::shutting_down, .message = "the server is shutting down"});
    if (!process_) return asio::post(io_, std::move(ended));
    std::exchange(process_, nullptr)->stop(std::move(ended));
}

void SupervisedRunner::died(Error error) {
    process_.reset();
    timer_.cancel();
    if (state_ == State::gone) return;
    if (state_ == State::loading) {
        error.code = ErrorCode::model_load_failed;
        error.message = "the engine process ended while it loaded the model";
        // A damaged library of kernels is not noticed before it runs: any doubt means ggml's own.
        if (std::exchange(options_.load.cpu_kernels, false)) {
            log_warn("cpu_kernels", {{"kernels", "ggml's own"}, {"reason", error.message}, {"detail", error.detail}});
            return spawn();
        }
        return give_up(std::move(error));
    }
    fail_all(error);
    state_ = State::restarting;
    if (++crashes_ >= crashes_until_quarantine)
        return give_up({.code = ErrorCode::model_load_failed,
                        .message = "the model crashed " + std::to_string(crashes_) +
                                   " times in a row and is quarantined; unload it to try again",
                        .detail = error.detail});
    log_warn("engine_restarts", {{"model", options_.model_name}, {"crashes", crashes_}});
    if (crashes_ == 1) return spawn();
    timer_.expires_after(second_restart_delay);
    timer_.async_wait([weak = weak_from_this()](boost::system::error_code failed) {
        const auto self = weak.lock();
        if (!failed && self && self->state_ == State::restarting) self->spawn();
    });
}

void SupervisedRunner::give_up(Error error) {
    if (state_ == State::gone) return;
    const auto self = shared_from_this();
    log_error("model_gone", {{"model", options_.model_name}, {"reason", error.message}, {"detail", error.detail}});
    state_ = State::gone;
    gone_reason_ = error;
    timer_.cancel();
    held_.clear();
    fail_all(error);
    if (process_) process_->kill();
    if (auto done = std::exchange(done_, nullptr)) return done(std::unexpected(error));
    if (auto callback = std::exchange(on_gone_, nullptr)) callback(error);
}

// Everything that the engine had; what is still held back waits for the next engine.
void SupervisedRunner::fail_all(const Error& error) {
    const auto is_held = [this](std::uint64_t id) {
        return std::ranges::any_of(held_, [id](const auto& held) { return held.first == id; });
    };
    const auto fail_in = [&](auto& waiting) {
        std::vector<typename std::remove_reference_t<decltype(waiting)>::mapped_type> failed;
        std::erase_if(waiting, [&](auto& entry) {
            if (is_held(entry.first)) return false;
            failed.push_back(std::move(entry.second));
            return true;
        });
        for (auto& one : failed) {
            if constexpr (requires { one.push(GenerationEvent(error)); }) one.push(GenerationEvent(error));
            else one(std::unexpected(error));
        }
    };
    fail_in(streams_);
    fail_in(embeds_);
    fail_in(tokenizes_);
    fail_in(texts_);
    fail_in(pieces_);
    fail_in(counts_);
}

Result<void> SupervisedRunner::send_or_hold(std::uint64_t id, ToEngine message) {
    if (state_ == State::gone) return std::unexpected(gone_reason_);
    if (state_ == State::ready) {
        process_->send(message);
        return {};
    }
    if (held_.size() >= max_held_messages)
        return fail(ErrorCode::overloaded, "the model is starting again and too many requests are waiting for it");
    held_.emplace_back(id, std::move(message));
    return {};
}

TokenStream SupervisedRunner::start(GenerateRequest request) {
    const auto id = next_id_++;
    const auto weak = weak_from_this();
    auto [stream, writer] = TokenStream::create(
        io_, {.on_pause =
                  [weak, id](bool paused) {
                      const auto self = weak.lock();
                      if (self && self->state_ == State::ready) self->process_->send(PauseMessage{id, paused});
                  },
              .on_cancel =
                  [weak, id] {
                      const auto self = weak.lock();
                      if (self && self->streams_.erase(id) != 0) self->cancel(id);
                  }});
    if (const auto sent = send_or_hold(id, GenerateMessage{id, std::move(request)}); !sent) writer.push(sent.error());
    else streams_.emplace(id, std::move(writer));
    return std::move(stream);
}

void SupervisedRunner::cancel(std::uint64_t id) {
    const auto unsent = std::erase_if(held_, [id](const auto& held) { return held.first == id; });
    if (unsent == 0 && state_ == State::ready) process_->send(CancelMessage{id});
}

void SupervisedRunner::deliver(std::uint64_t id, GenerationEvent event) {
    const auto found = streams_.find(id);
    if (found == streams_.end()) return;  // cancelled in the meantime
    if (!is_last(event)) return found->second.push(std::move(event));
    if (std::holds_alternative<GenerationDone>(event)) crashes_ = 0;
    auto writer = std::move(found->second);
    streams_.erase(found);
    writer.push(std::move(event));
}

template <typename T>
void SupervisedRunner::ask(std::unordered_map<std::uint64_t, std::function<void(Result<T>)>>& waiting,
                           std::uint64_t id, ToEngine message, std::function<void(Result<T>)> done) {
    if (const auto sent = send_or_hold(id, std::move(message)); !sent)
        asio::post(io_, [done = std::move(done), error = sent.error()] { done(std::unexpected(error)); });
    else waiting.emplace(id, std::move(done));
}

template <typename T, typename Reply>
void SupervisedRunner::answer(std::unordered_map<std::uint64_t, std::function<void(Result<T>)>>& waiting, Reply reply) {
    auto found = waiting.extract(reply.id);
    if (found.empty()) return;
    if (auto* error = std::get_if<Error>(&reply.result)) found.mapped()(std::unexpected(std::move(*error)));
    else found.mapped()(std::move(std::get<T>(reply.result)));
}

std::function<void()> SupervisedRunner::embed(EmbedRequest request, std::function<void(Result<EmbedResult>)> done) {
    const auto id = next_id_++;
    ask(embeds_, id, EmbedMessage{id, std::move(request)}, std::move(done));
    return [weak = weak_from_this(), id] {
        const auto self = weak.lock();
        if (self && self->embeds_.erase(id) != 0) self->cancel(id);
    };
}

void SupervisedRunner::tokenize(std::string text, bool add_special, bool parse_special,
                                std::function<void(Result<std::vector<Token>>)> done) {
    const auto id = next_id_++;
    ask(tokenizes_, id, TokenizeMessage{id, std::move(text), add_special, parse_special}, std::move(done));
}

void SupervisedRunner::tokenize_chat(ChatPrompt prompt, bool add_special, std::function<void(Result<std::vector<Token>>)> done) {
    const auto id = next_id_++;
    ask(tokenizes_, id, TokenizeMessage{.id = id, .text = {}, .add_special = add_special, .chat = std::move(prompt)}, std::move(done));
}

void SupervisedRunner::detokenize(std::vector<Token> tokens, std::function<void(Result<std::string>)> done) {
    const auto id = next_id_++;
    ask(texts_, id, DetokenizeMessage{id, std::move(tokens)}, std::move(done));
}

void SupervisedRunner::pieces(std::vector<Token> tokens, std::function<void(Result<std::vector<std::string>>)> done) {
    const auto id = next_id_++;
    ask(pieces_, id, PiecesMessage{id, std::move(tokens)}, std::move(done));
}

void SupervisedRunner::render(ChatPrompt prompt, std::function<void(Result<std::string>)> done) {
    const auto id = next_id_++;
    ask(texts_, id, RenderMessage{id, std::move(prompt)}, std::move(done));
}

void SupervisedRunner::count(ChatPrompt prompt, std::function<void(Result<std::uint32_t>)> done) {
    const auto id = next_id_++;
    ask(counts_, id, CountMessage{id, std::move(prompt)}, std::move(done));
}

}  // namespace weft
