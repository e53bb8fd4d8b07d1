#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <string>
#include <unordered_map>

#include "registry/runner_factory.h"
#include "runner/supervised_runner.h"

namespace weft {

// Loads each model into an engine process of its own. Thread: io.
class EngineFactory final : public RunnerFactory {
  public:
    // `defaults` is the load message of every model but for its path and window.
    EngineFactory(boost::asio::any_io_executor io, std::string program, LoadMessage defaults,
                  std::chrono::milliseconds load_timeout, std::chrono::milliseconds hang_timeout)
        : io_(std::move(io)), program_(std::move(program)), defaults_(std::move(defaults)), load_timeout_(load_timeout), hang_timeout_(hang_timeout) {}

    void load(LoadRequest request, Loaded loaded, Died died) override;
    void unload(std::shared_ptr<Runner> runner, std::function<void()> gone) override;

  private:
    boost::asio::any_io_executor io_;
    std::string program_;
    LoadMessage defaults_;
    std::chrono::milliseconds load_timeout_;
    std::chrono::milliseconds hang_timeout_;
    std::unordered_map<std::uint64_t, std::shared_ptr<SupervisedRunner>> loading_;  // nobody else holds them yet
    std::uint64_t next_id_ = 0;
};

}  // namespace weft
