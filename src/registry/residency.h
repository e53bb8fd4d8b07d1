#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread_checker.h"
#include "registry/registry.h"
#include "registry/runner_factory.h"

namespace weft {

struct ResidencyLimits {
    KeepAlive keep_alive = std::chrono::minutes{5};  // for models and requests that say nothing
    std::uint32_t context_tokens = 4096;             // window for those, too; capped by what the model was trained with
    std::uint32_t slots = 4;                         // sequences at once; for the memory estimate
    std::uint64_t kv_cells = 0;                      // of a pool; 0 = what the engine takes by itself
    double kv_bytes_per_value = 2.0;                 // f16
    std::uint64_t memory_bytes = 0;                  // all models together; 0 = 80 % of what the machine has
    std::uint64_t cache_host_bytes = 0;              // of each model beside its KV cache; less where memory is short
    std::uint32_t max_models = 3;                    // loaded at once; 0 = as many as memory holds
    std::size_t max_waiting = 512;                   // requests that wait for one model
    std::chrono::milliseconds wait_for_room{std::chrono::minutes{2}};    // while all other models are busy
    std::chrono::milliseconds load_timeout{std::chrono::minutes{5}};     // <= 0: none
    std::chrono::milliseconds retry_failed_after{std::chrono::seconds{5}};
};

// Which models are loaded. A model is loaded by the first request for it, stays for its keep-alive after its last one,
// and is unloaded earlier, least recently used first, when another one needs its place. A model that is at work is never
// unloaded: who needs its place waits, first come first served, and meanwhile requests for loaded models go on.
//
//     ask ──► waiting for room ──► loading ──► ready ⇄ idle, keep-alive timer ──► stopping ──► gone
//                  ▲                             │ a larger window or another file is asked for:
//                  └────────── stopping ◄────────┘ once its running requests are done
//
// Thread: io. Owned by a shared_ptr, because leases, timers and the factory's callbacks look whether it still lives.
class Residency : public std::enable_shared_from_this<Residency> {
  public:
    struct Request {
        std::shared_ptr<const ModelInfo> model;
        std::uint32_t context_tokens = 0;       // as in AcquireRequest
        LoadOptions load{};
        std::optional<KeepAlive> keep_alive{};
        TimePoint asked_at{};
        std::function<bool()> has_left{};       // as in AcquireRequest
        std::function<void(Result<RunnerLease>)> done;  // called on io, never from inside

        [[nodiscard]] bool left() const { return has_left && has_left(); }
    };

    Residency(boost::asio::any_io_executor io, RunnerFactory& factory, ResidencyLimits limits);
    ~Residency();

    // overloaded, model_load_failed, shutting_down.
    void acquire(Request request);

    [[nodiscard]] std::vector<ResidentModel> resident() const;
    [[nodiscard]] std::vector<AwaitedModel> awaited() const;
    [[nodiscard]] std::vector<std::string> quarantined() const;

    // As if every request had said keep_alive 0. False when it is not loaded.
    bool unload(const std::string& display_name);

    // From now on whoever asks or waits gets shutting_down. Leases stay valid.
    void drain();

    // After drain(): ends every loaded model in good order; calls back, never from inside, when all are gone.
    void stop_all(std::function<void()> stopped);

  private:
    struct Model;
    using ModelPtr = std::shared_ptr<Model>;
    struct Failure {
        Error error;
        std::string digest;
        TimePoint until;
    };

    [[nodiscard]] std::uint32_t window_for(const Request& request) const;
    // Whether the model as it is loaded will do for the request.
    [[nodiscard]] bool suits(const Model& model, const Request& request) const;
    [[nodiscard]] std::uint64_t memory_for(const Model& model) const;
    [[nodiscard]] const Error* recent_failure(const ModelInfo& model);
    void answer(Request& request, Result<RunnerLease> result);
    void answer_all(Model& model, const Error& error);

    void grant(const ModelPtr& model, Request request);
    static void drop_those_who_left(Model& model);
    [[nodiscard]] bool enqueue(const ModelPtr& model, Request request);
    void retire(const ModelPtr& model);
    void release(const ModelPtr& model);
    void became_idle(const ModelPtr& model);
    void keep_alive_ended(const ModelPtr& model);
    void start_timer(const ModelPtr& model, std::chrono::nanoseconds after, void (Residency::*then)(const ModelPtr&));

    void wait_for_room(const ModelPtr& model);
    void give_up_waiting(const ModelPtr& model);
    void make_room();
    [[nodiscard]] bool fits(const Model& wanted, bool count_stopping) const;
    [[nodiscard]] ModelPtr least_recently_used_idle() const;

    void load(const ModelPtr& model);
    void loaded(const ModelPtr& model, std::uint64_t attempt, Result<std::shared_ptr<Runner>> result);
    void load_took_too_long(const ModelPtr& model);
    void serve_waiting(const ModelPtr& model);
    void load_failed(const ModelPtr& model, Error error);
    void died(const ModelPtr& model, std::uint64_t attempt, Error error);
    void stop(const ModelPtr& model);
    void gone(const ModelPtr& model);
    void tell_when_all_stopped();
    void forget(const ModelPtr& model);

    boost::asio::any_io_executor io_;
    RunnerFactory& factory_;
    ResidencyLimits limits_;
    std::map<std::string, ModelPtr> models_;     // by display name; every phase
    std::deque<ModelPtr> room_queue_;            // phase waiting, in the order they asked
    std::map<std::string, Failure> failures_;    // by display name; only of models that exist
    std::uint64_t uses_ = 0;                     // counts up, to order models by last use
    bool draining_ = false;
    std::function<void()> all_stopped_;
    bool making_room_ = false;
    ThreadChecker thread_;
};

}  // namespace weft
