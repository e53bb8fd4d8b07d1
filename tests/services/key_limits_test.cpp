#include "services/jobs/key_limits.h"

#include <catch2/catch_test_macros.hpp>

namespace weft::test {

TEST_CASE("a tenant may submit so many a second, more after a pause, and others are not counted with it") {
    SubmissionRate rate(10, 3);
    for (int i = 0; i < 3; ++i) CHECK(rate.take("a", 1000) == 0);
    CHECK(rate.take("a", 1000) == 100);
    CHECK(rate.take("b", 1000) == 0);
    CHECK(rate.take("a", 1060) == 40);
    CHECK(rate.take("a", 1100) == 0);
    CHECK(rate.take("a", 1100) > 0);
    for (int i = 0; i < 3; ++i) CHECK(rate.take("a", 60'000) == 0);
    CHECK(rate.take("a", 60'000) == 100);
    CHECK(rate.take("a", 1) == 100);  // clocks go back
}

TEST_CASE("without a rate everybody is as fast as they like") {
    SubmissionRate rate(0, 1);
    for (int i = 0; i < 100; ++i) CHECK(rate.take("a", 0) == 0);
}

TEST_CASE("open places are counted by tenant, and free again when they end") {
    std::optional<OpenCounts::Place> survivor;
    {
        OpenCounts counts(2);
        auto first = counts.take("a");
        survivor = std::nullopt;
        {
            const auto second = counts.take("a");
            CHECK(second);
            CHECK_FALSE(counts.take("a"));
            CHECK(counts.take("b"));
            CHECK(counts.all() == 2);
        }
        CHECK(counts.all() == 1);
        auto moved = std::move(first);
        CHECK(counts.all() == 1);
        CHECK(counts.take("a"));
        survivor.emplace(std::move(*moved));
    }
}

}  // namespace weft::test
