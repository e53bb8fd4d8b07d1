#include "registry/residency.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cstdio>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "registry/memory_estimate.h"

namespace weft {
namespace asio = boost::asio;
using std::chrono::nanoseconds;

namespace {

enum class Phase { waiting, loading, ready, stopping };

constexpr double share_of_memory = 0.8;
constexpr auto longest_timer = std::chrono::years{100};
constexpr std::uint32_t smallest_window = 4;
constexpr std::uint32_t windows_in_pool = 4;  // as the engine chooses by itself

std::string size_text(std::uint64_t bytes) {
    char text[40];
    if (bytes < (1ULL << 30)) std::snprintf(text, sizeof text, "%.0f MiB", static_cast<double>(bytes) / (1 << 20));
    else std::snprintf(text, sizeof text, "%.1f GiB", static_cast<double>(bytes) / (1 << 30));
    return text;
}

Error shutting_down() { return {.code = ErrorCode::shutting_down, .message = "the server is shutting down"}; }

}  // namespace

struct Residency::Model {
    Model(std::string key_, const asio::any_io_executor& io) : key(std::move(key_)), timer(io) {}

    std::string key;
    std::shared_ptr<const ModelInfo> info{};
    Phase phase = Phase::waiting;
    std::uint32_t window = 0;          // asked for when it was loaded, or is to be
    LoadOptions options{};             // likewise
    std::uint64_t bytes = 0;           // estimate, then what the runner says; copies of prefixes included
    std::uint64_t cache_host_bytes = 0;  // those
    std::shared_ptr<Runner> runner{};  // phase ready
    std::uint32_t leases = 0;
    KeepAlive keep_alive{};
    bool retire = false;               // ready, but to be stopped once idle
    bool unusable = false;             // its load took too long: what comes of it is thrown away
    std::uint64_t last_use = 0;
    std::uint64_t attempt = 0;         // which load a callback belongs to
    std::uint64_t timer_round = 0;     // which waiting a timer belongs to
    asio::steady_timer timer;          // keep-alive when idle, patience while waiting or loading
    std::deque<Request> waiting{};

    [[nodiscard]] bool idle() const { return phase == Phase::ready && leases == 0; }
    [[nodiscard]] bool occupies_memory() const { return phase != Phase::waiting; }

    void stop_timer() {
        ++timer_round;
        timer.cancel();
    }
};

Residency::Residency(asio::any_io_executor io, RunnerFactory& factory, ResidencyLimits limits)
    : io_(std::move(io)), factory_(factory), limits_(limits) {
    if (limits_.memory_bytes == 0)
        limits_.memory_bytes = static_cast<std::uint64_t>(share_of_memory * static_cast<double>(usable_memory()));
}

Residency::~Residency() = default;

// ---- asking ---------------------------------------------------------------------------------------------------------

void Residency::acquire(Request request) {
    thread_.check();
    if (draining_) return answer(request, std::unexpected(shutting_down()));
    if (const Error* failure = recent_failure(*request.model)) return answer(request, std::unexpected(*failure));
    auto& model = models_[request.model->name];
    if (!model) {
        model = std::make_shared<Model>(request.model->name, io_);
        model->keep_alive = request.model->keep_alive.value_or(limits_.keep_alive);
        model->info = request.model;
        const ModelPtr fresh = model;
        if (enqueue(fresh, std::move(request))) wait_for_room(fresh);
        return;
    }
    const ModelPtr held = model;
    const bool usable = held->phase == Phase::ready && !held->retire && suits(*held, request) &&
                        request.model->digest == held->info->digest;
    if (usable) return grant(held, std::move(request));
    if (enqueue(held, std::move(request)) && held->phase == Phase::ready && !held->retire) retire(held);
}

bool Residency::suits(const Model& model, const Request& request) const {
    return window_for(request) <= model.window && request.load.met_by(model.options);
}

// Its running requests end, whoever comes now waits, then it is loaded anew.
void Residency::retire(const ModelPtr& model) {
    model->retire = true;
    if (model->leases == 0) return stop(model);
    start_timer(model, limits_.wait_for_room, &Residency::give_up_waiting);
}

std::uint32_t Residency::window_for(const Request& request) const {
    const auto& model = *request.model;
    const std::uint32_t configured = model.context_tokens != 0 ? model.context_tokens : limits_.context_tokens;
    const std::uint32_t wanted = std::max({request.context_tokens, configured, smallest_window});
    return model.trained_context != 0 ? std::min(wanted, model.trained_context) : wanted;
}

const Error* Residency::recent_failure(const ModelInfo& model) {
    const auto it = failures_.find(model.name);
    if (it == failures_.end()) return nullptr;
    const bool over = std::chrono::steady_clock::now() >= it->second.until || it->second.digest != model.digest;
    if (!over) return &it->second.error;
    failures_.erase(it);
    return nullptr;
}

void Residency::answer(Request& request, Result<RunnerLease> result) {
    asio::post(io_, [done = std::move(request.done), result = std::move(result)]() mutable { done(std::move(result)); });
}

void Residency::answer_all(Model& model, const Error& error) {
    for (auto& request : std::exchange(model.waiting, {})) answer(request, std::unexpected(error));
}

void Residency::drop_those_who_left(Model& model) {
    std::erase_if(model.waiting, std::mem_fn(&Request::left));
}

bool Residency::enqueue(const ModelPtr& model, Request request) {
    if (model->waiting.size() >= limits_.max_waiting) drop_those_who_left(*model);
    if (model->waiting.size() >= limits_.max_waiting) {
        answer(request, fail(ErrorCode::overloaded, "too many requests wait for this model, try again later"));
        return false;
    }
    model->waiting.push_back(std::move(request));
    return true;
}

void Residency::grant(const ModelPtr& model, Request request) {
    ++model->leases;
    model->stop_timer();
    model->last_use = ++uses_;
    if (request.keep_alive) model->keep_alive = *request.keep_alive;
    std::shared_ptr<void> hold(nullptr, [weak = weak_from_this(), io = io_, model](void*) {
        if (weak.expired()) return;
        asio::post(io, [weak, model] {
            if (const auto self = weak.lock()) self->release(model);
        });
    });
    const nanoseconds waited = std::chrono::steady_clock::now() - request.asked_at;
    answer(request, RunnerLease(model->runner, model->info, waited, std::move(hold)));
}

void Residency::release(const ModelPtr& model) {
    assert_that(model->leases > 0, "a lease is released once");
    --model->leases;
    model->last_use = ++uses_;
    if (model->idle()) became_idle(model);
}

void Residency::became_idle(const ModelPtr& model) {
    if (model->retire || model->keep_alive == KeepAlive{0}) return stop(model);
    if (model->keep_alive > KeepAlive{0}) start_timer(model, model->keep_alive, &Residency::keep_alive_ended);
    make_room();
}

void Residency::keep_alive_ended(const ModelPtr& model) {
    if (model->idle()) stop(model);
}

// A timer that was stopped or started anew meanwhile does nothing, even when its end is already on its way.
void Residency::start_timer(const ModelPtr& model, nanoseconds after, void (Residency::*then)(const ModelPtr&)) {
    model->stop_timer();
    model->timer.expires_after(std::min<nanoseconds>(after, longest_timer));
    model->timer.async_wait([weak = weak_from_this(), weak_model = std::weak_ptr(model), round = model->timer_round,
                             then](const boost::system::error_code& error) {
        const auto self = weak.lock();
        const auto held = weak_model.lock();
        if (!error && self && held && held->timer_round == round) ((*self).*then)(held);
    });
}

// ---- room -----------------------------------------------------------------------------------------------------------

std::uint64_t Residency::memory_for(const Model& model) const {
    if (!model.info->header) return model.info->size_bytes;
    const auto with = [&](std::uint64_t cells) {
        const MemoryShape shape{.kv_cells = cells, .kv_bytes_per_value = limits_.kv_bytes_per_value};
        return estimate_memory(*model.info->header, shape) +
               (model.info->draft_header ? estimate_memory(*model.info->draft_header, shape) : 0) + model.info->projector_bytes;
    };
    if (limits_.kv_cells != 0) return with(std::max<std::uint64_t>(limits_.kv_cells, model.window));
    // The engine takes a pool of several windows, but fewer where memory is short: one is what it cannot do without.
    const std::uint64_t usual = with(std::uint64_t{model.window} * std::clamp(limits_.slots, 1U, windows_in_pool));
    return usual <= limits_.memory_bytes ? usual : with(model.window);
}

void Residency::wait_for_room(const ModelPtr& model) {
    model->phase = Phase::waiting;
    model->info = model->waiting.back().model;
    model->window = 0;
    for (const auto& request : model->waiting) model->window = std::max(model->window, window_for(request));
    // Who asked first decides how; others that want it otherwise get it loaded anew.
    model->options = {};
    for (const auto& request : model->waiting)
        if (!model->options.any()) model->options = request.load;
    model->bytes = memory_for(*model);
    // What the limit leaves, so that no model fails to load for what is only a convenience.
    model->cache_host_bytes = std::min(limits_.cache_host_bytes, limits_.memory_bytes - std::min(limits_.memory_bytes, model->bytes));
    model->bytes += model->cache_host_bytes;
    room_queue_.push_back(model);
    start_timer(model, limits_.wait_for_room, &Residency::give_up_waiting);
    make_room();
}

void Residency::give_up_waiting(const ModelPtr& model) {
    answer_all(*model, {.code = ErrorCode::overloaded, .message = "all loaded models are busy, try again later"});
    model->retire = false;
    if (model->phase != Phase::waiting) return;
    std::erase(room_queue_, model);
    forget(model);
    make_room();
}

// Starts the loads that fit, first come first served, and stops idle models until the next one does.
void Residency::make_room() {
    if (std::exchange(making_room_, true)) return;
    while (!room_queue_.empty()) {
        const ModelPtr next = room_queue_.front();
        drop_those_who_left(*next);
        if (next->waiting.empty()) {
            room_queue_.pop_front();
            forget(next);
        } else if (next->bytes > limits_.memory_bytes) {
            room_queue_.pop_front();
            load_failed(next, {.code = ErrorCode::model_load_failed,
                               .message = "model '" + next->info->name + "' requires more system memory (" +
                                          size_text(next->bytes) + ") than models may use (" +
                                          size_text(limits_.memory_bytes) + ")"});
        } else if (fits(*next, true)) {
            room_queue_.pop_front();
            load(next);
        } else if (const auto victim = least_recently_used_idle(); victim && !fits(*next, false)) {
            stop(victim);
        } else {
            break;  // until a request ends or a model is gone
        }
    }
    making_room_ = false;
}

bool Residency::fits(const Model& wanted, bool count_stopping) const {
    std::uint64_t bytes = wanted.bytes;
    std::uint32_t models = 1;
    for (const auto& [key, model] : models_) {
        if (!model->occupies_memory() || (model->phase == Phase::stopping && !count_stopping)) continue;
        bytes += model->bytes;
        ++models;
    }
    return bytes <= limits_.memory_bytes && (limits_.max_models == 0 || models <= limits_.max_models);
}

Residency::ModelPtr Residency::least_recently_used_idle() const {
    ModelPtr oldest;
    for (const auto& [key, model] : models_)
        if (model->idle() && (!oldest || model->last_use < oldest->last_use)) oldest = model;
    return oldest;
}

// ---- loading and stopping -------------------------------------------------------------------------------------------

void Residency::load(const ModelPtr& model) {
    model->phase = Phase::loading;
    model->stop_timer();
    if (limits_.load_timeout.count() > 0) start_timer(model, limits_.load_timeout, &Residency::load_took_too_long);
    log_info("model_loading", {{"model", model->info->name}, {"context_tokens", model->window}});
    const auto attempt = ++model->attempt;
    factory_.load({.model = model->info, .context_tokens = model->window, .options = model->options,
                   .cache_host_bytes = model->cache_host_bytes},
                  [weak = weak_from_this(), model, attempt](Result<std::shared_ptr<Runner>> result) {
                      if (const auto self = weak.lock()) self->loaded(model, attempt, std::move(result));
                  },
                  [weak = weak_from_this(), weak_model = std::weak_ptr(model), attempt](Error error) {
                      const auto self = weak.lock();
                      const auto held = weak_model.lock();
                      if (self && held) self->died(held, attempt, std::move(error));
                  });
}

void Residency::loaded(const ModelPtr& model, std::uint64_t attempt, Result<std::shared_ptr<Runner>> result) {
    assert_that(attempt == model->attempt && model->phase == Phase::loading, "a load is answered once");
    model->stop_timer();
    if (!result) return load_failed(model, std::move(result).error());
    model->phase = Phase::ready;
    model->runner = std::move(*result);
    model->last_use = ++uses_;
    if (model->unusable) return stop(model);
    const auto& told = model->runner->description();
    if (told.memory_bytes != 0) model->bytes = told.memory_bytes + model->cache_host_bytes;
    log_info("model_loaded", {{"model", model->info->name}, {"memory_bytes", model->bytes}});
    serve_waiting(model);
}

void Residency::serve_waiting(const ModelPtr& model) {
    std::deque<Request> rest;
    for (auto& request : std::exchange(model->waiting, {})) {
        if (suits(*model, request))
            grant(model, std::move(request));
        else
            rest.push_back(std::move(request));
    }
    model->waiting = std::move(rest);
    model->retire = !model->waiting.empty();
    if (model->leases == 0) became_idle(model);
}

// The factory cannot be interrupted: the model keeps its place until it answers, then it is stopped.
void Residency::load_took_too_long(const ModelPtr& model) {
    Error error{.code = ErrorCode::model_load_failed, .message = "loading model '" + model->info->name + "' took too long"};
    failures_[model->key] = {error, model->info->digest, std::chrono::steady_clock::now() + limits_.retry_failed_after};
    model->unusable = true;
    answer_all(*model, error);
}

void Residency::load_failed(const ModelPtr& model, Error error) {
    log_warn("model_load_failed", {{"model", model->info->name}, {"why", error.message}, {"detail", error.detail}});
    failures_[model->key] = {error, model->info->digest, std::chrono::steady_clock::now() + limits_.retry_failed_after};
    answer_all(*model, error);
    forget(model);
    make_room();
}

void Residency::died(const ModelPtr& model, std::uint64_t attempt, Error error) {
    if (attempt != model->attempt || model->phase != Phase::ready) return;
    model->phase = Phase::stopping;  // leases may outlive it
    model->runner.reset();
    const auto key = model->key;
    load_failed(model, std::move(error));
    failures_[key].until = std::chrono::steady_clock::time_point::max();  // until it is unloaded or its file changes
}

void Residency::stop(const ModelPtr& model) {
    model->phase = Phase::stopping;
    model->stop_timer();
    log_info("model_unloading", {{"model", model->info->name}});
    factory_.unload(std::exchange(model->runner, nullptr), [weak = weak_from_this(), model] {
        if (const auto self = weak.lock()) self->gone(model);
    });
}

void Residency::gone(const ModelPtr& model) {
    model->retire = false;
    model->unusable = false;
    drop_those_who_left(*model);
    if (!model->waiting.empty()) return wait_for_room(model);
    forget(model);
    make_room();
    tell_when_all_stopped();
}

void Residency::stop_all(std::function<void()> stopped) {
    thread_.check();
    all_stopped_ = std::move(stopped);
    std::vector<ModelPtr> ready;
    for (const auto& [key, model] : models_)
        if (model->phase == Phase::ready) ready.push_back(model);
    for (const auto& model : ready) stop(model);
    tell_when_all_stopped();
}

// A model that is still loading is not waited for.
void Residency::tell_when_all_stopped() {
    const bool stopping = std::ranges::any_of(models_, [](const auto& entry) { return entry.second->phase == Phase::stopping; });
    if (all_stopped_ && !stopping) boost::asio::post(io_, std::exchange(all_stopped_, nullptr));
}

void Residency::forget(const ModelPtr& model) {
    model->stop_timer();
    const auto it = models_.find(model->key);
    if (it != models_.end() && it->second == model) models_.erase(it);
}

// ---- housekeeping ---------------------------------------------------------------------------------------------------

std::vector<ResidentModel> Residency::resident() const {
    thread_.check();
    std::vector<ResidentModel> all;
    const auto now = std::chrono::system_clock::now();
    for (const auto& [key, model] : models_) {
        if (!model->occupies_memory()) continue;
        ResidentModel one{.model = model->info, .leases = model->leases, .ready = model->phase == Phase::ready};
        if (model->runner) {
            one.description = model->runner->description();
            one.stats = model->runner->stats();
        }
        nanoseconds left = model->keep_alive;
        if (model->idle() && left > KeepAlive{0}) left = model->timer.expiry() - std::chrono::steady_clock::now();
        if (model->phase == Phase::stopping) left = std::chrono::seconds{-1};
        const bool stays = model->phase != Phase::stopping && model->keep_alive < KeepAlive{0};
        one.expires_at = now + (stays ? nanoseconds(longest_timer) : std::min<nanoseconds>(left, longest_timer));
        all.push_back(std::move(one));
    }
    return all;
}

std::vector<AwaitedModel> Residency::awaited() const {
    thread_.check();
    std::vector<AwaitedModel> all;
    for (const auto& [key, model] : models_) {
        const auto waiting = std::ranges::count(model->waiting, false, &Request::left);
        if (waiting > 0) all.push_back({.name = key, .requests = static_cast<std::uint32_t>(waiting)});
    }
    return all;
}

std::vector<std::string> Residency::quarantined() const {
    thread_.check();
    std::vector<std::string> names;
    for (const auto& [name, failure] : failures_)
        if (failure.until == TimePoint::max()) names.push_back(name);
    return names;
}

bool Residency::unload(const std::string& display_name) {
    thread_.check();
    failures_.erase(display_name);
    const auto it = models_.find(display_name);
    if (it == models_.end()) return false;
    const ModelPtr model = it->second;
    model->keep_alive = KeepAlive{0};
    if (model->idle()) stop(model);
    return true;
}

void Residency::drain() {
    thread_.check();
    draining_ = true;
    for (const auto& model : std::exchange(room_queue_, {})) {
        answer_all(*model, shutting_down());
        forget(model);
    }
    for (const auto& [key, model] : models_) answer_all(*model, shutting_down());
}

}  // namespace weft
