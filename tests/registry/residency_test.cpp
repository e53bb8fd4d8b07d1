#include "registry/residency.h"

#include <catch2/catch_test_macros.hpp>
#include <random>

#include "fake_factory.h"

namespace weft::test {
namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

using Log = std::vector<std::string>;

struct Asked {
    std::optional<Result<RunnerLease>> got{};
    [[nodiscard]] bool granted() const { return got && got->has_value(); }
    [[nodiscard]] std::optional<ErrorCode> error() const {
        return got && !*got ? std::optional((*got).error().code) : std::nullopt;
    }
    void let_go() { got.reset(); }
    bool left = false;
};
using AskedPtr = std::shared_ptr<Asked>;

struct Scene {
    asio::io_context io{1};
    FakeFactory factory{io.get_executor()};
    std::shared_ptr<Residency> residency{};

    explicit Scene(ResidencyLimits limits = {}) {
        if (limits.memory_bytes == 0) limits.memory_bytes = 1 << 20;
        residency = std::make_shared<Residency>(io.get_executor(), factory, limits);
    }

    // A model without a header: it takes just its size.
    static std::shared_ptr<ModelInfo> model(const std::string& name, std::uint64_t bytes = 100) {
        return std::make_shared<ModelInfo>(ModelInfo{.name = name, .digest = name, .size_bytes = bytes, .trained_context = 32768});
    }
    AskedPtr ask(std::shared_ptr<const ModelInfo> info, std::uint32_t context = 0, std::optional<KeepAlive> keep = {}) {
        auto asked = std::make_shared<Asked>();
        residency->acquire({.model = std::move(info), .context_tokens = context, .keep_alive = keep,
                            .asked_at = std::chrono::steady_clock::now(), .has_left = [asked] { return asked->left; },
                            .done = [asked](Result<RunnerLease> result) { asked->got = std::move(result); }});
        CHECK_FALSE(asked->got);  // never from inside
        run();
        return asked;
    }
    AskedPtr ask(const std::string& name, std::uint32_t context = 0, std::optional<KeepAlive> keep = {}) {
        return ask(model(name), context, keep);
    }
    void run() {
        io.restart();
        io.poll();
    }
    void let_go(const AskedPtr& asked) {
        asked->let_go();
        run();
    }
    bool until(const std::function<bool()>& done) {
        const auto end = std::chrono::steady_clock::now() + 5s;
        while (!done() && std::chrono::steady_clock::now() < end) {
            io.restart();
            io.run_one_for(20ms);
        }
        return done();
    }
    Log loaded() const {
        Log names;
        for (const auto& one : residency->resident()) names.push_back(one.model->name);
        return names;
    }
};

}  // namespace

TEST_CASE("many requests for a model wait for one load") {
    Scene scene;
    scene.factory.by_hand = true;
    const auto first = scene.ask("a"), second = scene.ask("a"), third = scene.ask("a");
    CHECK(scene.factory.loads.size() == 1);
    CHECK_FALSE(scene.residency->resident().at(0).ready);
    CHECK(scene.residency->awaited().at(0).requests == 3);
    scene.factory.finish_load();
    scene.run();
    CHECK((first->granted() && second->granted() && third->granted()));
    CHECK(scene.residency->resident().at(0).leases == 3);
    CHECK(scene.residency->awaited().empty());
    CHECK(scene.factory.loads.size() == 1);
    CHECK(scene.ask("a")->granted());
}

TEST_CASE("a model is unloaded when its keep-alive is over, and not while it is at work") {
    Scene scene({.keep_alive = 10ms});
    const auto lease = scene.ask("a");
    scene.until([i = 0]() mutable { return ++i > 3; });  // its keep-alive passes
    CHECK(scene.loaded() == Log{"a"});
    lease->let_go();
    CHECK(scene.until([&] { return scene.loaded().empty(); }));
    CHECK(scene.factory.log == Log{"load a", "unload a"});
}

TEST_CASE("keep-alive zero unloads as soon as the model is idle, negative never") {
    Scene scene;
    const auto one = scene.ask("a", 0, KeepAlive{0}), two = scene.ask("a");
    scene.let_go(one);
    CHECK(scene.loaded() == Log{"a"});
    scene.let_go(two);
    CHECK(scene.loaded().empty());

    scene.let_go(scene.ask("b", 0, KeepAlive{-1}));
    const auto forever = scene.residency->resident().at(0);
    CHECK(forever.expires_at > std::chrono::system_clock::now() + 24h * 365 * 20);
    scene.let_go(scene.ask("b"));  // says nothing: the value stays
    CHECK(scene.residency->resident().at(0).expires_at > std::chrono::system_clock::now() + 24h * 365 * 20);
    scene.let_go(scene.ask("b", 0, KeepAlive{1h}));
    const auto left = scene.residency->resident().at(0).expires_at - std::chrono::system_clock::now();
    CHECK((left > 50min && left <= 1h));
}

TEST_CASE("a model's own keep-alive is stronger than the server's, a request's is stronger still") {
    Scene scene({.keep_alive = 1h});
    auto info = Scene::model("a");
    info->keep_alive = KeepAlive{-1};
    scene.let_go(scene.ask(info));
    CHECK(scene.residency->resident().at(0).expires_at > std::chrono::system_clock::now() + 24h * 365 * 20);
    scene.let_go(scene.ask(info, 0, KeepAlive{0}));
    CHECK(scene.loaded().empty());
}

TEST_CASE("the least recently used idle model makes room") {
    Scene scene({.memory_bytes = 300});
    for (const char* name : {"a", "b", "c"}) scene.let_go(scene.ask(name));
    scene.let_go(scene.ask("a"));
    CHECK(scene.ask("d")->granted());
    CHECK(scene.loaded() == Log{"a", "c", "d"});
}

TEST_CASE("no more models are loaded than allowed") {
    Scene scene({.max_models = 2});
    for (const char* name : {"a", "b", "c"}) scene.let_go(scene.ask(name));
    CHECK(scene.loaded() == Log{"b", "c"});
}

TEST_CASE("busy models are not unloaded: a request waits for room, others go on") {
    Scene scene({.memory_bytes = 200});
    const auto a = scene.ask("a"), b = scene.ask("b"), c = scene.ask("c");
    CHECK_FALSE(c->got);
    const auto more = scene.ask("a");
    CHECK(more->granted());
    scene.let_go(more);
    CHECK_FALSE(c->got);
    scene.let_go(b);
    CHECK(c->granted());
    CHECK(scene.loaded() == Log{"a", "c"});
    CHECK(a->granted());
}

TEST_CASE("copies of prefixes count as memory, and take what the limit leaves") {
    Scene scene({.memory_bytes = 1000, .cache_host_bytes = 400});
    const auto a = scene.ask(Scene::model("a", 500));
    REQUIRE(a->granted());
    CHECK(scene.factory.loads.at(0).cache_host_bytes == 400);
    scene.let_go(a);
    const auto b = scene.ask(Scene::model("b", 200));  // 200 + 400 beside 900: a has to go
    REQUIRE(b->granted());
    CHECK(scene.loaded() == Log{"b"});
    scene.let_go(b);
    const auto large = scene.ask(Scene::model("large", 900));
    REQUIRE(large->granted());
    CHECK(scene.factory.loads.back().cache_host_bytes == 100);
}

TEST_CASE("memory counts until the process is really gone") {
    Scene scene({.memory_bytes = 100});
    scene.factory.by_hand = true;
    const auto a = scene.ask("a");
    scene.factory.finish_load();
    scene.run();
    scene.let_go(a);
    const auto b = scene.ask("b");
    CHECK(scene.factory.log == Log{"load a", "unload a"});
    scene.factory.finish_unload();
    CHECK(scene.factory.log == Log{"load a", "unload a", "load b"});
    scene.factory.finish_load();
    scene.run();
    CHECK(b->granted());
}

TEST_CASE("who waits for room too long is told that the server is busy") {
    Scene scene({.memory_bytes = 100, .wait_for_room = 10ms});
    const auto a = scene.ask("a"), b = scene.ask("b");
    CHECK(scene.until([&] { return b->got.has_value(); }));
    CHECK(b->error() == ErrorCode::overloaded);
    scene.let_go(a);
    CHECK(scene.ask("b")->granted());
}

TEST_CASE("only so many requests wait for a model") {
    Scene scene({.max_waiting = 2});
    scene.factory.by_hand = true;
    const auto one = scene.ask("a"), two = scene.ask("a"), three = scene.ask("a");
    CHECK(three->error() == ErrorCode::overloaded);
    scene.factory.finish_load();
    scene.run();
    CHECK((one->granted() && two->granted()));
}

TEST_CASE("who has left keeps no place among those who wait for a model") {
    Scene scene({.max_waiting = 2});
    scene.factory.by_hand = true;
    const auto one = scene.ask("a"), two = scene.ask("a");
    one->left = true;
    CHECK(scene.residency->awaited().at(0).requests == 1);
    const auto three = scene.ask("a"), four = scene.ask("a");
    CHECK(four->error() == ErrorCode::overloaded);
    scene.factory.finish_load();
    scene.run();
    CHECK((two->granted() && three->granted()));
    CHECK_FALSE(one->got);
}

TEST_CASE("no room is made for a model that nobody waits for any more") {
    Scene scene({.memory_bytes = 200});
    const auto a = scene.ask("a"), b = scene.ask("b"), c = scene.ask("c"), d = scene.ask("d");
    c->left = true;
    scene.let_go(b);
    CHECK(d->granted());
    CHECK(scene.loaded() == Log{"a", "d"});
    CHECK(scene.factory.log == Log{"load a", "load b", "unload b", "load d"});
}

TEST_CASE("a model that can never fit is refused with figures") {
    Scene scene({.memory_bytes = 1 << 20});
    const auto asked = scene.ask(Scene::model("big", 3ULL << 30));
    CHECK(asked->error() == ErrorCode::model_load_failed);
    CHECK(asked->got->error().message == "model 'big' requires more system memory (3.0 GiB) than models may use (1 MiB)");
    CHECK(scene.factory.loads.empty());
}

TEST_CASE("a failed load is told to all who wait and not tried again at once") {
    Scene scene({.retry_failed_after = 30ms});
    scene.factory.by_hand = true;
    scene.factory.fails = Error{.code = ErrorCode::model_load_failed, .message = "broken"};
    const auto one = scene.ask("a"), two = scene.ask("a");
    scene.factory.finish_load();
    scene.run();
    CHECK(one->error() == ErrorCode::model_load_failed);
    CHECK(two->got->error().message == "broken");
    CHECK(scene.ask("a")->got->error().message == "broken");
    CHECK(scene.factory.loads.size() == 1);
    CHECK(scene.loaded().empty());
    scene.factory.fails.reset();
    scene.factory.by_hand = false;
    auto replaced = Scene::model("a");
    replaced->digest = "another file";
    CHECK(scene.ask(replaced)->granted());  // a new file is tried at once
}

TEST_CASE("a failed load is tried again after a while") {
    Scene scene({.retry_failed_after = 1ms});
    scene.factory.fails = Error{.code = ErrorCode::model_load_failed, .message = "broken"};
    CHECK(scene.ask("a")->error() == ErrorCode::model_load_failed);
    scene.factory.fails.reset();
    CHECK(scene.until([&] { return scene.ask("a")->granted(); }));
}

TEST_CASE("a load that takes too long fails, and what comes of it later is thrown away") {
    Scene scene({.load_timeout = 10ms, .retry_failed_after = 1ms});
    scene.factory.by_hand = true;
    const auto asked = scene.ask("a");
    CHECK(scene.until([&] { return asked->got.has_value(); }));
    CHECK(asked->error() == ErrorCode::model_load_failed);
    scene.factory.finish_load();
    scene.run();
    CHECK(scene.factory.log == Log{"load a", "unload a"});
    scene.factory.finish_unload();
    CHECK(scene.loaded().empty());
}

TEST_CASE("a larger window is loaded anew once running requests are done, a smaller one is served") {
    Scene scene({.context_tokens = 1000});
    const auto running = scene.ask("a", 2000);
    CHECK(scene.factory.loads.at(0).context_tokens == 2000);
    const auto smaller = scene.ask("a", 500);
    CHECK(smaller->granted());
    const auto larger = scene.ask("a", 4000), after = scene.ask("a");
    CHECK_FALSE(larger->got);
    CHECK_FALSE(after->got);  // first come, first served: else the larger one might wait for ever
    scene.let_go(smaller);
    CHECK(running->granted());
    CHECK(scene.factory.loads.size() == 1);
    scene.let_go(running);
    CHECK((larger->granted() && after->granted()));
    CHECK(scene.factory.loads.at(1).context_tokens == 4000);
    CHECK(scene.factory.log == Log{"load a", "unload a", "load a"});
}

TEST_CASE("a model is loaded the way that a request asks for, and anew for one that asks for another way") {
    Scene scene;
    const auto ask = [&](LoadOptions options) {
        auto asked = std::make_shared<Asked>();
        scene.residency->acquire({.model = Scene::model("a"), .load = options, .asked_at = std::chrono::steady_clock::now(),
                                  .done = [asked](Result<RunnerLease> result) { asked->got = std::move(result); }});
        scene.run();
        return asked;
    };
    const auto first = ask({.threads = 2, .use_mmap = false});
    REQUIRE(scene.factory.loads.size() == 1);
    CHECK(scene.factory.loads[0].options.threads == 2U);
    CHECK(scene.factory.loads[0].options.use_mmap == false);
    CHECK_FALSE(scene.factory.loads[0].options.gpu_layers);
    CHECK(ask({})->granted());  // any way will do
    CHECK(ask({.threads = 2})->granted());
    const auto other = ask({.threads = 3}), same = ask({.threads = 3});
    CHECK_FALSE(other->got);
    scene.let_go(first);
    CHECK((other->granted() && same->granted()));
    CHECK(scene.factory.loads.size() == 2);
    CHECK(scene.factory.loads[1].options.threads == 3U);
    CHECK_FALSE(scene.factory.loads[1].options.use_mmap);
}

TEST_CASE("two who wait and want a model loaded in different ways are served one after the other") {
    Scene scene;
    scene.factory.by_hand = true;
    std::vector<AskedPtr> asked;
    for (const std::uint32_t threads : {1U, 2U}) {
        asked.push_back(std::make_shared<Asked>());
        scene.residency->acquire({.model = Scene::model("a"), .load = {.threads = threads}, .asked_at = std::chrono::steady_clock::now(),
                                  .done = [one = asked.back()](Result<RunnerLease> result) { one->got = std::move(result); }});
    }
    scene.factory.finish_load();
    scene.run();
    CHECK((asked[0]->granted() && !asked[1]->got));
    scene.let_go(asked[0]);
    scene.factory.finish_unload();
    scene.run();
    scene.factory.finish_load();
    scene.run();
    CHECK(asked[1]->granted());
    CHECK(scene.factory.loads.at(1).options.threads == 2U);
}

TEST_CASE("the window is never larger than what the model was trained for") {
    Scene scene;
    const auto asked = scene.ask("a", 1 << 20);
    CHECK(scene.factory.loads.at(0).context_tokens == 32768);
    CHECK(scene.ask("a", 1 << 21)->granted());
    CHECK(scene.factory.loads.size() == 1);
    auto info = Scene::model("b");
    info->context_tokens = 77;
    const auto configured = scene.ask(info);
    CHECK(scene.factory.loads.at(1).context_tokens == 77);
}

TEST_CASE("a file that was replaced is loaded anew when its requests are done") {
    Scene scene;
    const auto old = scene.ask("a");
    auto replaced = Scene::model("a");
    replaced->digest = "another file";
    const auto fresh = scene.ask(replaced);
    CHECK_FALSE(fresh->got);
    scene.let_go(old);
    REQUIRE(fresh->granted());
    CHECK((*fresh->got)->model().digest == "another file");
}

TEST_CASE("unload waits for running requests and is fine with models that are not loaded") {
    Scene scene;
    CHECK_FALSE(scene.residency->unload("a"));
    const auto lease = scene.ask("a");
    CHECK(scene.residency->unload("a"));
    CHECK(scene.loaded() == Log{"a"});
    scene.let_go(lease);
    CHECK(scene.loaded().empty());
    scene.let_go(scene.ask("a"));
    CHECK(scene.loaded() == Log{"a"});
    CHECK(scene.residency->unload("a"));
    CHECK(scene.loaded().empty());
}

TEST_CASE("a runner that is gone for good is not loaded again until its model is unloaded") {
    Scene scene({.retry_failed_after = 1ms});
    const auto lease = scene.ask("a");
    scene.factory.kill("a", {.code = ErrorCode::model_load_failed, .message = "crashed three times"});
    CHECK(scene.loaded().empty());
    scene.let_go(lease);  // of the dead one: nothing happens
    const auto refused = scene.ask("a");
    CHECK(scene.until([&] { return refused->got.has_value(); }));
    CHECK(refused->got->error().message == "crashed three times");
    CHECK(scene.factory.loads.size() == 1);
    scene.residency->unload("a");
    CHECK(scene.until([&] { return scene.ask("a")->granted(); }));
    CHECK(scene.factory.loads.size() == 2);
}

TEST_CASE("a drained registry refuses who comes and who waits") {
    Scene scene({.memory_bytes = 100});
    const auto a = scene.ask("a"), waiting = scene.ask("b");
    scene.residency->drain();
    scene.run();
    CHECK(waiting->error() == ErrorCode::shutting_down);
    CHECK(scene.ask("a")->error() == ErrorCode::shutting_down);
    CHECK(a->granted());
    CHECK((*a->got)->model().name == "a");
}

TEST_CASE("leases may outlive the registry") {
    Scene scene;
    const auto lease = scene.ask("a");
    scene.residency.reset();
    scene.let_go(lease);
    CHECK(scene.factory.log == Log{"load a"});
}

TEST_CASE("what a runner says it takes replaces the estimate") {
    Scene scene({.memory_bytes = 1000});
    scene.factory.memory_bytes = 950;
    scene.let_go(scene.ask("a"));
    scene.let_go(scene.ask("b"));
    CHECK(scene.factory.log == Log{"load a", "unload a", "load b"});
}

// The invariants that hold whatever happens in which order.
TEST_CASE("a random day keeps memory, leases and answers in order") {
    Scene scene({.memory_bytes = 250, .max_models = 3, .max_waiting = 8, .retry_failed_after = 0ms});
    scene.factory.by_hand = true;
    std::mt19937 random(7);
    const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
    const auto some = [&](auto& list) { return list.begin() + static_cast<std::ptrdiff_t>(below(list.size())); };
    std::vector<AskedPtr> open;
    std::size_t answered = 0, asked = 0;
    for (int step = 0; step < 4000; ++step) {
        switch (below(7)) {
            case 0:
            case 1:
                ++asked;
                open.push_back(scene.ask(std::string(1, static_cast<char>('a' + below(5))),
                                         below(10) == 0 ? 8192 : 0, below(8) == 0 ? std::optional(KeepAlive{0}) : std::nullopt));
                break;
            case 2:
            case 3:
                if (!open.empty())
                    if (const auto it = some(open); (*it)->got) {
                        open.erase(it);
                        ++answered;
                    }
                break;
            case 4:
                scene.factory.fails = below(10) == 0 ? std::optional(Error{.code = ErrorCode::model_load_failed, .message = "x"})
                                                     : std::nullopt;
                if (!scene.factory.loading.empty()) scene.factory.finish_load();
                break;
            case 5:
                if (!scene.factory.unloading.empty()) scene.factory.finish_unload();
                break;
            case 6:
                if (below(20) == 0) scene.residency->unload(std::string(1, static_cast<char>('a' + below(5))));
                if (below(50) == 0) scene.factory.kill(std::string(1, static_cast<char>('a' + below(5))), {.message = "gone"});
                break;
        }
        scene.run();
        const auto resident = scene.residency->resident();
        REQUIRE(resident.size() <= 2);  // of 100 bytes each
        std::size_t leases = 0, granted = 0;
        for (const auto& one : resident) leases += one.leases;
        for (const auto& one : open) granted += one->granted() ? 1 : 0;
        REQUIRE(leases <= granted);  // less when a runner died under its requests
    }
    // At the end everybody is answered.
    scene.factory.fails.reset();
    CHECK(scene.until([&] {
        while (!scene.factory.loading.empty()) scene.factory.finish_load();
        while (!scene.factory.unloading.empty()) scene.factory.finish_unload();
        std::erase_if(open, [&](const auto& one) { return one->got && ++answered; });
        return open.empty();
    }));
    CHECK(answered == asked);
}

}  // namespace weft::test
