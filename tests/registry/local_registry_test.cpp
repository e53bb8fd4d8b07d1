#include "registry/local_registry.h"

#include <boost/asio/thread_pool.hpp>
#include <catch2/catch_test_macros.hpp>

#include "fake_factory.h"
#include "support/gguf_writer.h"

namespace weft::test {
namespace asio = boost::asio;

namespace {

struct Scene {
    TemporaryFolder folder;
    asio::io_context io{1};
    asio::thread_pool worker{1};
    FakeFactory factory{io.get_executor()};
    std::optional<ModelStore> store{};
    std::optional<LocalRegistry> registry{};

    ~Scene() { worker.join(); }

    void open(ResidencyLimits limits = {}) {
        store.emplace(io.get_executor(), worker.get_executor(), ModelSources{.folders = {folder.path()}});
        registry.emplace(io.get_executor(), *store, factory, limits);
    }
    // Runs what is ready until `done` or five seconds are over.
    bool until(const std::function<bool()>& done) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{5};
        while (!done() && std::chrono::steady_clock::now() < end) {
            io.restart();
            io.run_one_for(std::chrono::milliseconds{20});
        }
        return done();
    }
};

}  // namespace

TEST_CASE("a model from the folder is listed, found and loaded by the first request") {
    Scene scene;
    small_model().write(scene.folder.path() / "Small-Model.gguf");
    scene.open();
    REQUIRE(scene.registry->list().size() == 1);
    CHECK(scene.registry->list()[0]->name == "small-model:latest");
    CHECK(scene.registry->find("SMALL-model").has_value());
    CHECK(scene.registry->resident().empty());

    std::optional<Result<RunnerLease>> got;
    scene.registry->acquire({.model = "small-model"}, [&](auto result) { got = std::move(result); });
    CHECK_FALSE(got);
    REQUIRE(scene.until([&] { return got.has_value(); }));
    REQUIRE(*got);
    CHECK((**got).model().name == "small-model:latest");
    CHECK(scene.factory.loads.at(0).context_tokens == 64);  // all it was trained with
    CHECK(scene.registry->resident().at(0).leases == 1);
}

TEST_CASE("a file that was put into the folder after the start is found by the request for it") {
    Scene scene;
    scene.open();
    CHECK(scene.registry->find("late").error().code == ErrorCode::not_found);
    small_model().write(scene.folder.path() / "late.gguf");
    std::optional<Result<RunnerLease>> got;
    scene.registry->acquire({.model = "late"}, [&](auto result) { got = std::move(result); });
    REQUIRE(scene.until([&] { return got.has_value(); }));
    CHECK(*got);
    CHECK(scene.registry->list().size() == 1);
}

}  // namespace weft::test
