#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/error.h"
#include "registry/model_info.h"
#include "registry/registry.h"
#include "runner/runner.h"

namespace weft {

struct LoadRequest {
    std::shared_ptr<const ModelInfo> model;
    std::uint32_t context_tokens = 0;  // window of one sequence, at most the trained one
    LoadOptions options{};
    std::uint64_t cache_host_bytes = ~std::uint64_t{0};  // copies of prefixes may take no more than this
};

// Makes live runners for the registry. Thread: io.
class RunnerFactory {
  public:
    virtual ~RunnerFactory() = default;

    using Loaded = std::function<void(Result<std::shared_ptr<Runner>>)>;
    using Died = std::function<void(Error)>;

    // `loaded` is called once, on io and never from inside. After a success `died` is called, once, when the runner is gone
    // for good (its process crashed too often); the error is what later requests get for a while. A runner that is
    // restarted by itself has not died.
    virtual void load(LoadRequest request, Loaded loaded, Died died) = 0;

    // Ends a runner that no request uses any more; `gone` is called once its memory is free. `died` is not called for it.
    // For a factory whose runners end by being destroyed, this is enough:
    virtual void unload(std::shared_ptr<Runner> runner, std::function<void()> gone) {
        runner.reset();
        gone();
    }
};

}  // namespace weft
