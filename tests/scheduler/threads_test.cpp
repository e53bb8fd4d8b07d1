// The step thread, those who bring requests, cancels and pauses, the samplers and the thread that reads and writes files,
// all at once and in real time: what the thread sanitizer should look at.
#include <catch2/catch_test_macros.hpp>
#include <mutex>
#include <random>
#include <thread>

#include "fake_engine.h"
#include "scheduler/scheduler.h"
#include "temporary_folder.h"

using namespace weft;
using namespace weft::test;

namespace {

// Counts endings; called by the step thread, asked by others.
class CountingSink final : public EventSink {
  public:
    void send(EventFrame frame) override {
        std::lock_guard lock(mutex_);
        for (const auto& [id, event] : frame.events)
            if (std::holds_alternative<GenerationDone>(event) || std::holds_alternative<Error>(event)) ++endings_[id];
    }
    void heartbeat(const EngineHeartbeat&) override {}
    [[nodiscard]] std::map<std::uint64_t, int> endings() {
        std::lock_guard lock(mutex_);
        return endings_;
    }

  private:
    std::mutex mutex_;
    std::map<std::uint64_t, int> endings_;
};

void be_a_client(unsigned seed, int requests, Inbox& inbox, AdmissionGate& gate) {
    std::mt19937 random(seed);
    const auto below = [&](unsigned n) { return random() % n; };
    for (int i = 0; i < requests; ++i) {
        const auto id = seed * 10'000 + static_cast<std::uint64_t>(i);
        std::vector<Token> prompt(1 + below(200), static_cast<Token>('a' + below(3)));
        const auto tenant = std::to_string(below(3));
        while (!gate.try_enter(tenant) || !gate.try_add_tokens(tenant, prompt.size())) std::this_thread::yield();
        inbox.push(std::make_shared<PreparedRequest>(PreparedRequest{
            .id = id, .prompt = std::move(prompt), .request = {.prompt = TokenPrompt{}, .max_tokens = 1 + below(30), .tenant = tenant},
            .window = 260, .accepted_at = std::chrono::steady_clock::now()}));
        if (below(4) == 0) inbox.push(CancelRequest{id});
        if (below(6) == 0) inbox.push(PauseRequest{id, true}), inbox.push(PauseRequest{id, false});
        if (below(3) == 0) std::this_thread::sleep_for(std::chrono::microseconds(below(300)));
    }
}

}  // namespace

TEST_CASE("requests, cancels and pauses from many threads end once each, while others sample, read and write") {
    constexpr unsigned clients = 3;
    constexpr int requests = 120;
    const TemporaryFolder folder;
    FakeEngine engine({.kv_cells = 600, .max_sequences = 10, .max_batch_rows = 64, .max_outputs = 32, .context_tokens = 260});
    ByteVocabulary vocabulary;
    SteadyClock clock;
    CountingSink sink;
    Inbox inbox;
    AdmissionGate gate(1000);
    SamplerPool pool(3);
    SpillStore spill(20 * 256, *BlockFiles::open(folder.path(), "fake", 1 << 20), [&] { inbox.wake(); });
    Scheduler scheduler(engine, vocabulary, clock, sink, inbox, gate, pool, &spill,
                        {.slots = 6, .heartbeat_every = std::chrono::milliseconds(5), .guesses = {.looks_up = true}, .identity = "fake"});
    std::jthread step([&] { scheduler.run(); });
    {
        std::vector<std::jthread> threads;
        for (unsigned i = 1; i <= clients; ++i) threads.emplace_back([&, i] { be_a_client(i, requests, inbox, gate); });
    }
    for (int i = 0; i < 3000 && sink.endings().size() < clients * requests; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    inbox.close();
    step.join();
    const auto endings = sink.endings();
    CHECK(endings.size() == clients * requests);
    for (const auto& [id, n] : endings) REQUIRE(n == 1);
    CHECK(gate.inside() == 0);
    CHECK(spill.totals().spilled_blocks > 0);
}
