#include "ops/team.h"

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <thread>
#include <vector>

namespace weft::kernels {
namespace {

constexpr int thread_counts[] = {1, 2, 3, 6, 16};

}  // namespace

TEST_CASE("every unit of every stage is done once, and only when the stage before is done", "[threads]") {
    for (const int threads : thread_counts) {
        Stages stages;
        std::vector<std::vector<std::atomic<int>>> times(300);
        for (size_t i = 0; i < times.size(); ++i) {
            times[i] = std::vector<std::atomic<int>>(1 + i * 7 % 5);
            stages.add(std::ssize(times[i]));
        }
        std::atomic<int> early = 0;
        for (int round = 1; round <= 3; ++round) {
            stages.run(threads, [&](int, size_t stage, int64_t unit) {
                if (stage > 0)
                    for (const auto& done : times[stage - 1])
                        if (done.load() != round) early.fetch_add(1);
                times[stage][size_t(unit)].fetch_add(1);
            });
            for (const auto& stage : times)
                for (const auto& done : stage) CHECK(done == round);
        }
        CHECK(early == 0);
    }
}

TEST_CASE("what one stage wrote the next one reads", "[threads]") {
    constexpr int threads = 4, rounds = 500;
    Stages stages;
    int shared = 0;  // written by a stage of one unit, read by one of several, with nothing but the stages between
    std::atomic<int> wrong = 0;
    for (int i = 0; i < rounds; ++i) {
        stages.add(1);
        stages.add(threads);
    }
    stages.run(threads, [&](int, size_t stage, int64_t) {
        if (stage % 2 == 0) shared = int(stage);
        else if (shared != int(stage) - 1) wrong.fetch_add(1);
    });
    CHECK(wrong == 0);
}

TEST_CASE("a thread that is away holds up the others only while it has a unit", "[threads]") {
    Stages stages;
    constexpr int stage_count = 50;
    for (int i = 0; i < stage_count; ++i) stages.add(8);
    std::atomic<int> away = 0, meanwhile = 0;
    stages.run(2, [&](int, size_t stage, int64_t) {
        // The first unit of the first stage lasts until all others of that stage are done: the other thread did them.
        if (stage == 0 && away.exchange(1) == 0) {
            const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
            while (meanwhile.load() < 7 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
            CHECK(meanwhile.load() == 7);
            return;
        }
        meanwhile.fetch_add(1);
    });
    CHECK(meanwhile == 8 * stage_count - 1);
}

TEST_CASE("no stages are no work") {
    Stages stages;
    stages.run(3, [](int, size_t, int64_t) { FAIL(); });
    stages.add(1);
    stages.clear();
    stages.run(3, [](int, size_t, int64_t) { FAIL(); });
    CHECK(stages.size() == 0);
}

}  // namespace weft::kernels
