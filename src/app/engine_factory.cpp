#include "app/engine_factory.h"

#include <algorithm>

namespace weft {

void EngineFactory::load(LoadRequest request, Loaded loaded, Died died) {
    auto message = defaults_;
    message.path = request.model->path.string();
    message.context_tokens = request.context_tokens;
    const auto& options = request.options;
    if (options.gpu_layers) message.gpu_layers = *options.gpu_layers;
    if (options.threads) message.threads = *options.threads;
    if (options.batch_tokens) message.batch_tokens = *options.batch_tokens;
    if (options.use_mmap) message.use_mmap = *options.use_mmap;
    for (const auto& adapter : request.model->adapters) message.adapters.push_back({.path = adapter.path.string(), .scale = adapter.scale});
    message.projector = request.model->projector.string();
    message.digest = request.model->digest;
    message.draft_path = request.model->draft.string();
    message.cache_host_bytes = std::min(message.cache_host_bytes, request.cache_host_bytes);
    const auto id = next_id_++;
    loading_[id] = SupervisedRunner::load(
        io_, {.program = program_, .model_name = request.model->name, .load = std::move(message), .load_timeout = load_timeout_, .hang_timeout = hang_timeout_},
        [this, id, loaded = std::move(loaded), died = std::move(died)](Result<std::shared_ptr<Runner>> result) {
            const auto runner = std::move(loading_.extract(id).mapped());
            if (result) runner->on_gone(died);
            loaded(std::move(result));
        });
}

void EngineFactory::unload(std::shared_ptr<Runner> runner, std::function<void()> gone) {
    std::static_pointer_cast<SupervisedRunner>(std::move(runner))->stop(std::move(gone));
}

}  // namespace weft
