#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "registry/model_info.h"
#include "runner/runner.h"

namespace weft {

// How long a model stays loaded after its last request ended. Negative = for ever, zero = not at all.
using KeepAlive = std::chrono::nanoseconds;

// How a request wants its model to be loaded; what is absent is as configured, and any loaded model suits it.
struct LoadOptions {
    std::optional<std::int32_t> gpu_layers{};
    std::optional<std::uint32_t> threads{};
    std::optional<std::uint32_t> batch_tokens{};
    std::optional<bool> use_mmap{};

    // Whether a model that was loaded with `loaded` is as wanted here.
    [[nodiscard]] bool met_by(const LoadOptions& loaded) const {
        return (!gpu_layers || gpu_layers == loaded.gpu_layers) && (!threads || threads == loaded.threads) &&
               (!batch_tokens || batch_tokens == loaded.batch_tokens) && (!use_mmap || use_mmap == loaded.use_mmap);
    }
    [[nodiscard]] bool any() const { return gpu_layers || threads || batch_tokens || use_mmap; }
};

struct AcquireRequest {
    std::string model;                        // as the client wrote it
    std::uint32_t context_tokens = 0;         // asks for at least this window; 0 = whatever is configured
    std::optional<KeepAlive> keep_alive{};    // replaces the model's value from now on
    LoadOptions load{};                       // another way than it is loaded now: it is loaded anew
    std::function<bool()> has_left{};         // whether nobody waits for the answer any more; absent: somebody does
};

// Keeps a runner loaded while it lives. Movable. Thread: io.
class RunnerLease {
  public:
    RunnerLease() = default;
    RunnerLease(std::shared_ptr<Runner> runner, std::shared_ptr<const ModelInfo> model,
                std::chrono::nanoseconds load_duration, std::shared_ptr<void> hold)
        : runner_(std::move(runner)), model_(std::move(model)), load_duration_(load_duration), hold_(std::move(hold)) {}

    [[nodiscard]] Runner* operator->() const { return runner_.get(); }
    [[nodiscard]] Runner& operator*() const { return *runner_; }
    [[nodiscard]] const ModelInfo& model() const { return *model_; }
    // From acquire() until the runner was ready.
    [[nodiscard]] std::chrono::nanoseconds load_duration() const { return load_duration_; }
    explicit operator bool() const { return runner_ != nullptr; }

  private:
    std::shared_ptr<Runner> runner_;
    std::shared_ptr<const ModelInfo> model_;
    std::chrono::nanoseconds load_duration_{};
    std::shared_ptr<void> hold_;
};

// A model that is loaded, loading or being unloaded, for /api/ps.
struct ResidentModel {
    std::shared_ptr<const ModelInfo> model;
    ModelDescription description;             // empty while loading
    RunnerStats stats;
    std::chrono::system_clock::time_point expires_at;  // far future (>= 20 years) when it never unloads
    std::uint32_t leases = 0;
    bool ready = false;
};

// A model that requests wait for: until there is room for it, until it is loaded, or until it is loaded anew.
struct AwaitedModel {
    std::string name;             // as ModelInfo::name
    std::uint32_t requests = 0;   // >= 1
};

// Model names -> files -> live runners. A name is resolved as in the Ollama contract, section 3: any casing, with or
// without ":latest" and the default host and namespace. Thread: io; files are read on worker threads.
class Registry {
  public:
    virtual ~Registry() = default;

    // All models that could be served, newest first. From the last scan, which happens at start and whenever a folder
    // changed since.
    [[nodiscard]] virtual std::vector<std::shared_ptr<const ModelInfo>> list() = 0;

    // invalid_request for a name that is no name, not_found for one that is not here. Error::message is
    // "model 'NAME' not found".
    [[nodiscard]] virtual Result<std::shared_ptr<const ModelInfo>> find(const std::string& name) = 0;

    // Calls back, on io and never from inside, once the runner is ready: at once when it is loaded; after one load, shared
    // by all who wait for it, when it is not. Idle models are evicted, least recently used first, to make room.
    // Who has left keeps no place among those who wait, and `done` may then be dropped without a call.
    // not_found, overloaded, model_load_failed, shutting_down.
    virtual void acquire(AcquireRequest request, std::function<void(Result<RunnerLease>)> done) = 0;

    [[nodiscard]] virtual std::vector<ResidentModel> resident() = 0;

    [[nodiscard]] virtual std::vector<AwaitedModel> awaited() { return {}; }

    // Names of models that crashed again and again and are not loaded until somebody unloads them or their file changes.
    [[nodiscard]] virtual std::vector<std::string> quarantined() { return {}; }

    // Unloads once its running requests are done. Fine when it is not loaded; not_found for an unknown name.
    virtual Result<void> unload(const std::string& name) = 0;
};

}  // namespace weft
