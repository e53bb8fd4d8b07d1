#include "ops/team.h"

#include <catch2/catch_test_macros.hpp>
#include <thread>
#include <vector>

namespace weft::kernels {

TEST_CASE("nobody passes the barrier before all have arrived, with more threads than processors", "[threads]") {
    constexpr int threads = 6, rounds = 200;
    Barrier barrier;
    std::atomic<int> arrived = 0, early = 0;
    std::vector<std::jthread> team;
    for (int t = 0; t < threads; ++t)
        team.emplace_back([&] {
            for (int round = 1; round <= rounds; ++round) {
                arrived.fetch_add(1);
                barrier.wait(threads);
                if (arrived.load() < round * threads) early.fetch_add(1);
                barrier.wait(threads);
            }
        });
    team.clear();
    CHECK(early == 0);
    CHECK(arrived == threads * rounds);
}

TEST_CASE("what one thread wrote before the barrier the others read after it", "[threads]") {
    constexpr int threads = 4, rounds = 500;
    Barrier barrier;
    int shared = 0;  // written by one, read by all, with nothing but the barrier between
    std::atomic<int> wrong = 0;
    std::vector<std::jthread> team;
    for (int t = 0; t < threads; ++t)
        team.emplace_back([&, t] {
            for (int round = 1; round <= rounds; ++round) {
                if (t == round % threads) shared = round;
                barrier.wait(threads);
                if (shared != round) wrong.fetch_add(1);
                barrier.wait(threads);
            }
        });
    team.clear();
    CHECK(wrong == 0);
}

}  // namespace weft::kernels
