// Which tokens the sampler can return, and how often, against the definition that sorts everything.
#include "reference.h"

#include <cmath>
#include <map>

#include <catch2/catch_test_macros.hpp>

#include "engine/sampling/candidates.h"
#include "fixtures.h"

namespace weft {
namespace {

using test::infinity;
using test::not_a_number;

// The kinds of rows on which shortcuts go wrong.
std::vector<float> nasty_logits(std::size_t n, Random& random) {
    const double kind = random.uniform();
    auto logits = test::random_logits(n, kind < 0.3 ? 0.2F : 4.0F, random.next());
    if (kind > 0.5 && kind < 0.8)
        for (auto& logit : logits) logit = std::round(logit);  // many ties
    if (kind > 0.8) std::ranges::fill(logits, 1.5F);           // nothing but ties
    if (random.uniform() < 0.4)
        for (auto& logit : logits)
            if (random.uniform() < 0.5) logit = random.uniform() < 0.5 ? -infinity : not_a_number;
    if (random.uniform() < 0.2) std::ranges::sort(logits);
    if (random.uniform() < 0.2) std::ranges::sort(logits, std::ranges::greater{});
    return logits;
}

SamplingParams random_params(Random& random, std::size_t n) {
    SamplingParams params{.temperature = static_cast<float>(0.2 + 1.5 * random.uniform())};
    const auto often = [&] { return random.uniform() < 0.5; };
    if (often()) params.top_k = static_cast<std::int32_t>(1 + random.next() % (2 * n));
    if (often()) params.top_p = static_cast<float>(random.uniform());
    if (often()) params.min_p = static_cast<float>(random.uniform() * random.uniform());
    if (often()) params.typical_p = static_cast<float>(random.uniform());
    return params;
}

TEST_CASE("only tokens that the definition allows are ever drawn, over random rows and parameters") {
    Random random(20240817);
    int drawn = 0;
    for (int round = 0; round < 3000; ++round) {
        constexpr std::size_t sizes[] = {1, 2, 3, 5, 17, 100, 1000, 1030, 3000};
        const std::size_t n = sizes[random.next() % std::size(sizes)];
        const auto logits = nasty_logits(n, random);
        if (std::ranges::none_of(logits, [](float x) { return x > -infinity; })) continue;
        const auto params = random_params(random, n);
        const auto expected = reference::distribution(logits, params);
        if (expected.slack < 1e-5) continue;  // a cut that rounding may move
        auto sampler = test::sampler(params, n, random.next());
        for (int i = 0; i < 5; ++i, ++drawn) {
            const Token token = sampler.sample(logits).value();
            const double p = expected.probabilities[static_cast<std::size_t>(token)];
            // top_k 1 is exact greedy, before typical_p has its say.
            if (p <= 0 && params.top_k != 1) {
                CAPTURE(round, n, token, params.top_k, params.top_p, params.min_p, params.typical_p, expected.slack);
                CHECK(p > 0);
            }
        }
    }
    CHECK(drawn > 10000);
}

TEST_CASE("the k most likely are exactly those a full sort finds, ties by the smaller token") {
    Random random(99);
    for (int round = 0; round < 500; ++round) {
        const std::size_t n = 1 + random.next() % 6000;
        const auto logits = nasty_logits(n, random);
        const std::size_t k = 1 + random.next() % (round % 2 == 0 ? 50 : n);
        std::vector<std::pair<float, Token>> sorted;
        for (std::size_t i = 0; i < n; ++i)
            if (logits[i] > -infinity) sorted.emplace_back(-logits[i], static_cast<Token>(i));
        std::ranges::sort(sorted);
        sorted.resize(std::min(k, sorted.size()));
        Candidates found;
        gather_top(logits, k, found);
        std::ranges::sort(found, more_likely);
        REQUIRE(found.size() == sorted.size());
        for (std::size_t i = 0; i < found.size(); ++i) REQUIRE(found[i].token == sorted[i].second);
    }
}

TEST_CASE("top_p keeps the shortest prefix that reaches the mass, also when that is most of the vocabulary") {
    for (const float spread : {0.01F, 0.5F, 1.0F, 2.0F, 5.0F}) {
        const auto logits = test::random_logits(20000, spread, 5);
        for (const float p : {0.01F, 0.3F, 0.9F, 0.999F}) {
            const auto expected = reference::distribution(logits, {.temperature = 1, .top_p = p});
            const auto nucleus = static_cast<std::size_t>(
                std::ranges::count_if(expected.probabilities, [](double x) { return x > 0; }));
            Candidates candidates;
            gather_all(logits, candidates);
            keep_most_likely(candidates, static_cast<double>(p) * weigh(candidates, std::ranges::max(logits)));
            CHECK(std::abs(static_cast<double>(candidates.size()) - static_cast<double>(nucleus)) <=
                  1 + 2e-5 * static_cast<double>(nucleus));
        }
    }
}

}  // namespace
}  // namespace weft
