#include "app/engine_factory.h"

namespace weft {

void EngineFactory::load(LoadRequest request, Loaded loaded, Died died) {
    auto message = defaults_;
    message.path = request.model->path.string();
    message.context_tokens = request.context_tokens;
    // Nobody else holds the runner until it is ready.
    auto holder = std::make_shared<std::shared_ptr<SupervisedRunner>>();
    *holder = SupervisedRunner::load(
        io_, {.program = program_, .model_name = request.model->name, .load = std::move(message), .load_timeout = load_timeout_},
        [holder, loaded = std::move(loaded), died = std::move(died)](Result<std::shared_ptr<Runner>> result) {
            auto runner = std::exchange(*holder, nullptr);
            if (result) runner->on_gone(died);
            loaded(std::move(result));
        });
}

void EngineFactory::unload(std::shared_ptr<Runner> runner, std::function<void()> gone) {
    std::static_pointer_cast<SupervisedRunner>(std::move(runner))->stop(std::move(gone));
}

}  // namespace weft
