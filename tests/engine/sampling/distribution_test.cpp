// How often each token is drawn, against exactly computed probabilities: Pearson's chi-square, seeds fixed.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "fixtures.h"
#include "reference.h"

namespace weft {
namespace {

// Upper 0.1 % point of the chi-square distribution (Wilson and Hilferty, 1931).
double critical_value(double degrees) {
    const double third = 2 / (9 * degrees);
    return degrees * std::pow(1 - third + 3.0902 * std::sqrt(third), 3);
}

struct Fit {
    double chi_square = 0;
    double critical = 0;
    bool drew_impossible = false;
};

// Cells that expect fewer than 8 draws are put together.
Fit fit(const std::vector<int>& drawn, const std::vector<double>& probabilities, int n) {
    Fit result;
    double rare_expected = 0;
    double rare_drawn = 0;
    int cells = 0;
    const auto add = [&](double observed, double expected) {
        result.chi_square += (observed - expected) * (observed - expected) / expected;
        ++cells;
    };
    for (std::size_t i = 0; i < drawn.size(); ++i) {
        const double expected = probabilities[i] * n;
        if (probabilities[i] <= 0 && drawn[i] > 0) result.drew_impossible = true;
        if (expected >= 8) {
            add(drawn[i], expected);
        } else {
            rare_expected += expected;
            rare_drawn += drawn[i];
        }
    }
    if (rare_expected >= 8) add(rare_drawn, rare_expected);
    result.critical = cells > 1 ? critical_value(cells - 1) : 1e-9;
    return result;
}

Fit draw_and_fit(const SamplingParams& params, const std::vector<float>& logits, int n,
                 const std::vector<double>& probabilities) {
    auto sampler = test::sampler(params, logits.size(), 42);
    std::vector<int> drawn(logits.size());
    for (int i = 0; i < n; ++i) ++drawn[static_cast<std::size_t>(sampler.sample(logits).value())];
    return fit(drawn, probabilities, n);
}

TEST_CASE("tokens are drawn with the probabilities that the parameters define") {
    struct Case {
        std::string name;
        SamplingParams params;
    };
    const std::vector<Case> cases{
        {"temperature 1", {.temperature = 1}},
        {"temperature 0.5", {.temperature = 0.5F}},
        {"temperature 2", {.temperature = 2}},
        {"top_k", {.temperature = 1, .top_k = 12}},
        {"top_k beyond the vocabulary", {.temperature = 1, .top_k = 1 << 30}},
        {"top_p", {.temperature = 1, .top_p = 0.8F}},
        {"min_p", {.temperature = 1, .min_p = 0.1F}},
        {"typical_p", {.temperature = 1, .typical_p = 0.6F}},
        {"top_k + top_p", {.temperature = 1, .top_k = 20, .top_p = 0.7F}},
        {"top_k + temperature", {.temperature = 1.7F, .top_k = 15}},
        {"top_p + temperature", {.temperature = 1.7F, .top_p = 0.75F}},
        {"top_p + min_p", {.temperature = 1, .top_p = 0.95F, .min_p = 0.05F}},
        {"typical_p + top_p", {.temperature = 1, .top_p = 0.8F, .typical_p = 0.9F}},
        {"all", {.temperature = 0.8F, .top_k = 30, .top_p = 0.95F, .min_p = 0.02F, .typical_p = 0.95F}},
    };
    for (const std::size_t n_vocab : {8, 60, 1100})
        for (const auto& [name, params] : cases) {
            const auto logits = test::random_logits(n_vocab, 2, n_vocab);
            const auto expected = reference::distribution(logits, params);
            const auto result = draw_and_fit(params, logits, 10000, expected.probabilities);
            CAPTURE(name, n_vocab);
            CHECK_FALSE(result.drew_impossible);
            CHECK(result.chi_square < result.critical);
        }
}

TEST_CASE("the chi-square test would notice a temperature that is off by a tenth") {
    const auto logits = test::random_logits(60, 2, 60);
    const auto wrong = reference::distribution(logits, {.temperature = 1.1F});
    const auto result = draw_and_fit({.temperature = 1}, logits, 20000, wrong.probabilities);
    CHECK(result.chi_square > result.critical);
}

TEST_CASE("a flat distribution over a whole vocabulary reaches its first and its last token") {
    const std::vector<float> logits(2049, 0.25F);
    const auto expected = reference::distribution(logits, {.temperature = 1});
    const auto result = draw_and_fit({.temperature = 1}, logits, 40000, expected.probabilities);
    CHECK(result.chi_square < result.critical);
}

TEST_CASE("logit bias shifts the distribution as if the logits were so") {
    auto logits = test::random_logits(50, 1, 8);
    SamplingParams params{.temperature = 1, .logit_bias = {{3, 1.5F}, {4, -2}, {5, -100}, {6, 0.5F}}};
    auto biased = logits;
    biased[3] += 1.5F;
    biased[4] -= 2;
    biased[5] = -test::infinity;
    biased[6] += 0.5F;
    const auto expected = reference::distribution(biased, params);
    const auto result = draw_and_fit(params, logits, 20000, expected.probabilities);
    CHECK_FALSE(result.drew_impossible);
    CHECK(result.chi_square < result.critical);
}

}  // namespace
}  // namespace weft
