#include "registry/local_registry.h"

namespace weft {

void LocalRegistry::acquire(AcquireRequest request, std::function<void(Result<RunnerLease>)> done) {
    const auto asked_at = std::chrono::steady_clock::now();
    std::string name = request.model;
    store_.find_later(std::move(name), [weak = std::weak_ptr(residency_), request = std::move(request),
                                        done = std::move(done), asked_at](auto found) mutable {
        const auto residency = weak.lock();
        if (!residency) return;
        if (!found) return done(std::unexpected(std::move(found).error()));
        residency->acquire({.model = std::move(*found),
                            .context_tokens = request.context_tokens,
                            .load = request.load,
                            .keep_alive = request.keep_alive,
                            .asked_at = asked_at,
                            .has_left = std::move(request.has_left),
                            .done = std::move(done)});
    });
}

Result<void> LocalRegistry::unload(const std::string& name) {
    WEFT_TRY(const auto model, store_.find(name));
    residency_->unload(model->name);
    return {};
}

}  // namespace weft
