#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>
#include <vector>

#include "registry/model_store.h"
#include "registry/registry.h"
#include "registry/residency.h"

namespace weft {

// The registry of models on this machine's disk: ModelStore knows which there are, Residency which are loaded.
// Thread: io; a lease may be let go on io only.
class LocalRegistry final : public Registry {
  public:
    // store and factory outlive it.
    LocalRegistry(boost::asio::any_io_executor io, ModelStore& store, RunnerFactory& factory, ResidencyLimits limits)
        : store_(store), residency_(std::make_shared<Residency>(std::move(io), factory, limits)) {}

    std::vector<std::shared_ptr<const ModelInfo>> list() override { return store_.list(); }
    Result<std::shared_ptr<const ModelInfo>> find(const std::string& name) override { return store_.find(name); }
    void acquire(AcquireRequest request, std::function<void(Result<RunnerLease>)> done) override;
    std::vector<ResidentModel> resident() override { return residency_->resident(); }
    std::vector<AwaitedModel> awaited() override { return residency_->awaited(); }
    std::vector<std::string> quarantined() override { return residency_->quarantined(); }
    Result<void> unload(const std::string& name) override;

    // From now on every acquire(), and whoever still waits for a model, gets shutting_down. Leases stay valid.
    void drain() { residency_->drain(); }
    void stop_all(std::function<void()> stopped) { residency_->stop_all(std::move(stopped)); }

  private:
    ModelStore& store_;
    std::shared_ptr<Residency> residency_;
};

}  // namespace weft
