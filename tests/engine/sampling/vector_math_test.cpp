#include "engine/sampling/vector_math.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

#include "fixtures.h"

namespace weft {
namespace {

using test::infinity;
using test::not_a_number;

TEST_CASE("exp of negative numbers is right to 5e-7") {
    double worst = 0;
    for (double x = 0; x > -87; x -= 0.000731) {
        const auto single = static_cast<float>(x);
        const double exact = std::exp(static_cast<double>(single));
        worst = std::max(worst, std::abs(static_cast<double>(exp_of_negative(single)) - exact) / exact);
    }
    CAPTURE(worst);
    CHECK(worst < 5e-7);
    CHECK(exp_of_negative(0) == 1);
    CHECK(exp_of_negative(-88) == 0);
    CHECK(exp_of_negative(-1e30F) == 0);
    CHECK(exp_of_negative(-infinity) == 0);
    CHECK(exp_of_negative(not_a_number) == 0);
}

TEST_CASE("sums, maxima and searches agree with plain loops for every length around a block") {
    for (const std::size_t n : {0, 1, 15, 16, 17, 1000, 1023, 1024, 1025, 2048, 5000, 16384, 16385, 40001}) {
        auto values = test::random_logits(n, 3, n);
        if (n > 20) values[n / 2] = not_a_number, values[n / 3] = -infinity;
        float max = -infinity;
        for (const float value : values)
            if (value > max) max = value;
        CHECK(max_of(values) == max);
        if (n == 0) continue;
        const auto first = static_cast<std::size_t>(std::ranges::find(values, max) - values.begin());
        CHECK(first_equal(values, max) == first);
        CHECK(first_equal(values, max + 1) == n);
        double exact = 0;
        for (const float value : values)
            if (!std::isnan(value)) exact += std::exp(static_cast<double>(value - max) * 0.7);
        std::vector<float> sums(exp_blocks(n));
        CHECK(exp_sums(values, max, 0.7F, sums) == Catch::Approx(exact).epsilon(2e-6));
    }
}

TEST_CASE("group maxima are the maxima of the groups they promise") {
    for (const std::size_t n : {5, 1024, 1500, 3072}) {
        const auto values = test::random_logits(n, 3, n);
        std::vector<float> expected(group_count(n), -infinity);
        for (std::size_t i = 0; i < n; ++i) {
            auto& max = expected[i / group_chunk * group_lanes + i % group_lanes];
            max = std::max(max, values[i]);
        }
        std::vector<float> maxima(group_count(n));
        CHECK(group_maxima(values, maxima) == std::ranges::max(values));
        CHECK(maxima == expected);
    }
}

}  // namespace
}  // namespace weft
