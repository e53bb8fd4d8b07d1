#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "registry/model_catalog.h"

namespace weft {

// The models that could be served, kept up to date: whoever asks makes it look, with a few stat(2) calls, whether a
// folder or a file changed; only then is there a scan, on the worker, and only files that changed are read.
// Thread: io.
class ModelStore {
  public:
    // How long list() and find() wait for a scan before they answer from the last one. Reading a new
    // file's header takes up to 50 ms (a vocabulary of 150,000 tokens); a sleeping network disk must not hold up the gateway.
    static constexpr std::chrono::milliseconds patience{250};

    // Scans once, here: what is in the folders is there from the start. `worker` runs later scans.
    ModelStore(boost::asio::any_io_executor io, boost::asio::any_io_executor worker, ModelSources sources);
    ~ModelStore();
    ModelStore(const ModelStore&) = delete;
    ModelStore& operator=(const ModelStore&) = delete;

    [[nodiscard]] std::vector<std::shared_ptr<const ModelInfo>> list();

    // not_found; model_load_failed with the reason for a broken file; invalid_request for a name that is none.
    [[nodiscard]] Result<std::shared_ptr<const ModelInfo>> find(const std::string& name);

    // As find(), but waits for the scan however long it takes. Calls back on io, never from inside.
    void find_later(std::string name, std::function<void(Result<std::shared_ptr<const ModelInfo>>)> done);

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace weft
