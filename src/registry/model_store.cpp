#include "registry/model_store.h"

#include <boost/asio/post.hpp>
#include <future>
#include <utility>

#include "base/thread_checker.h"

namespace weft {
namespace asio = boost::asio;

// Shared with the worker's tasks, which may outlive the store by the length of one scan.
struct ModelStore::State : std::enable_shared_from_this<State> {
    using Catalog = std::shared_ptr<const ModelCatalog>;
    using Found = Result<std::shared_ptr<const ModelInfo>>;

    State(asio::any_io_executor io_, asio::any_io_executor worker_, ModelSources from)
        : io(std::move(io_)), worker(std::move(worker_)), sources(std::make_shared<const ModelSources>(std::move(from))) {
        catalog = std::make_shared<const ModelCatalog>(scan_models(*sources, {}));
    }

    const asio::any_io_executor io;
    const asio::any_io_executor worker;
    const std::shared_ptr<const ModelSources> sources;
    Catalog catalog;
    std::shared_future<Catalog> scanning{};  // valid while a scan is under way
    std::vector<std::function<void()>> when_scanned{};
    ThreadChecker thread{};

    void start_scan() {
        if (scanning.valid()) return;
        auto promise = std::make_shared<std::promise<Catalog>>();
        scanning = promise->get_future().share();
        asio::post(worker, [self = shared_from_this(), promise, previous = catalog] {
            promise->set_value(std::make_shared<const ModelCatalog>(scan_models(*self->sources, *previous)));
            asio::post(self->io, [self] { self->scan_ended(); });
        });
    }

    // True when the last scan is in and none is under way.
    bool take_scan(std::chrono::milliseconds wait) {
        if (!scanning.valid()) return true;
        if (scanning.wait_for(wait) != std::future_status::ready) return false;
        catalog = std::exchange(scanning, {}).get();
        return true;
    }

    void scan_ended() {
        if (!take_scan(std::chrono::milliseconds{0})) return;  // a later scan began, and will end
        for (auto& next : std::exchange(when_scanned, {})) next();
    }

    // The newest catalog that can be had within `patience`.
    const ModelCatalog& fresh() {
        thread.check();
        if (catalog->changed()) start_scan();
        take_scan(patience);
        return *catalog;
    }

    void find_later(std::string name, std::function<void(Found)> done) {
        thread.check();
        if (catalog->is_current(name) || !catalog->changed())
            return asio::post(io, [done = std::move(done), found = catalog->find(name)] { done(found); });
        when_scanned.push_back([self = shared_from_this(), name = std::move(name), done = std::move(done)]() mutable {
            self->find_later(std::move(name), std::move(done));
        });
        start_scan();
    }
};

ModelStore::ModelStore(asio::any_io_executor io, asio::any_io_executor worker, ModelSources sources)
    : state_(std::make_shared<State>(std::move(io), std::move(worker), std::move(sources))) {}

ModelStore::~ModelStore() { state_->when_scanned.clear(); }

std::vector<std::shared_ptr<const ModelInfo>> ModelStore::list() { return state_->fresh().list(); }

Result<std::shared_ptr<const ModelInfo>> ModelStore::find(const std::string& name) {
    const auto catalog = state_->catalog;
    return catalog->is_current(name) ? catalog->find(name) : state_->fresh().find(name);
}

void ModelStore::find_later(std::string name, std::function<void(Result<std::shared_ptr<const ModelInfo>>)> done) {
    state_->find_later(std::move(name), std::move(done));
}

}  // namespace weft
