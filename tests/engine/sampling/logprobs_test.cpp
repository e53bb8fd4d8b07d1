#include "engine/sampling/logprobs.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

#include "fixtures.h"

namespace weft {
namespace {

using Catch::Approx;
using test::infinity;
using test::not_a_number;

TEST_CASE("logprobs are the log softmax of the row") {
    for (const std::size_t n : {1, 7, 1024, 30000}) {
        const auto logits = test::random_logits(n, 3, n);
        double total = 0;
        for (const float logit : logits) total += std::exp(static_cast<double>(logit));
        for (std::size_t i = 0; i < n; i += n / 5 + 1) {
            const auto scores = score(logits, static_cast<Token>(i), 0);
            CHECK(static_cast<double>(scores.chosen) ==
                  Approx(static_cast<double>(logits[i]) - std::log(total)).margin(2e-5));
            CHECK(scores.top.empty());
        }
    }
}

TEST_CASE("the top list is what sorting the row gives") {
    const auto logits = test::random_logits(12000, 2, 4);
    std::vector<Token> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::sort(order, std::ranges::greater{}, [&](Token t) { return logits[static_cast<std::size_t>(t)]; });
    const auto scores = score(logits, order[3], 20);
    REQUIRE(scores.top.size() == 20);
    for (std::size_t i = 0; i < 20; ++i) CHECK(scores.top[i].token == order[i]);
    CHECK(scores.top[3].logprob == scores.chosen);
    CHECK(std::ranges::is_sorted(scores.top, std::ranges::greater{}, &ScoredToken::logprob));
}

TEST_CASE("the probabilities of a small vocabulary add up to 1") {
    const auto logits = test::random_logits(15, 4, 9);
    double total = 0;
    for (const auto& [token, logprob] : score(logits, 0, 15).top) {
        CHECK(logprob <= 0);
        total += std::exp(static_cast<double>(logprob));
    }
    CHECK(total == Approx(1));
}

TEST_CASE("impossible tokens score -9999 and fill the list up to its length") {
    const std::vector<float> logits{-infinity, 2, not_a_number, -infinity};
    const auto scores = score(logits, 0, 3);
    CHECK(scores.chosen == impossible_logprob);
    REQUIRE(scores.top.size() == 3);
    CHECK(scores.top[0].token == 1);
    CHECK(scores.top[0].logprob == 0);
    CHECK(scores.top[1].token == 0);
    CHECK(scores.top[2].token == 2);
    CHECK(scores.top[2].logprob == impossible_logprob);
    CHECK(score(logits, 1, 20).top.size() == 4);
    CHECK(score(std::vector<float>(3, -infinity), 1, 1).chosen == impossible_logprob);
}

TEST_CASE("infinite logits share the probability") {
    const std::vector<float> logits{1, infinity, infinity};
    CHECK(score(logits, 1, 0).chosen == Approx(std::log(0.5)));
    CHECK(score(logits, 0, 0).chosen == impossible_logprob);
}

}  // namespace
}  // namespace weft
