#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "registry/runner_factory.h"
#include "support/fake_runner.h"

namespace weft::test {

// Loads FakeRunners: at once, or one by one when a test says so.
class FakeFactory final : public RunnerFactory {
  public:
    explicit FakeFactory(boost::asio::any_io_executor io) : io_(std::move(io)) {}

    bool by_hand = false;              // loads and unloads wait for finish_load() and finish_unload()
    std::optional<Error> fails{};      // what loads end with
    std::uint64_t memory_bytes = 0;    // what runners say they take; 0 = the registry goes on with its estimate
    std::vector<LoadRequest> loads{};  // all that were asked for
    std::vector<std::string> log{};    // "load a:latest", "unload a:latest"

    struct Pending {
        LoadRequest request;
        Loaded loaded;
    };
    std::deque<Pending> loading{};
    std::deque<std::function<void()>> unloading{};
    std::vector<std::pair<std::string, Died>> alive{};
    std::vector<std::shared_ptr<FakeRunner>> runners{};

    void load(LoadRequest request, Loaded loaded, Died died) override {
        loads.push_back(request);
        log.push_back("load " + request.model->name);
        alive.emplace_back(request.model->name, std::move(died));
        loading.push_back({std::move(request), std::move(loaded)});
        if (!by_hand) finish_load();
    }

    void finish_load() {
        Pending pending = std::move(loading.front());
        loading.pop_front();
        if (fails)
            return boost::asio::post(io_, [pending, error = *fails] { pending.loaded(std::unexpected(error)); });
        auto runner = std::make_shared<FakeRunner>(io_);
        runner->told.summary = pending.request.model->name;
        runner->told.memory_bytes = memory_bytes;
        runner->told.context_tokens = pending.request.context_tokens;
        runners.push_back(runner);
        boost::asio::post(io_, [pending, runner] { pending.loaded(runner); });
    }

    void unload(std::shared_ptr<Runner> runner, std::function<void()> gone) override {
        log.push_back("unload " + runner->description().summary);
        if (by_hand)
            unloading.push_back(std::move(gone));
        else
            gone();
    }

    void finish_unload() {
        auto gone = std::move(unloading.front());
        unloading.pop_front();
        gone();
    }

    // The latest runner of that model is gone for good.
    void kill(const std::string& name, Error error) {
        for (auto it = alive.rbegin(); it != alive.rend(); ++it)
            if (it->first == name) return it->second(std::move(error));
    }

  private:
    boost::asio::any_io_executor io_;
};

}  // namespace weft::test
