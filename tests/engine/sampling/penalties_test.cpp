#include "engine/sampling/penalties.h"

#include <cmath>
#include <map>
#include <vector>

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

#include "fixtures.h"

namespace weft {
namespace {

using Catch::Approx;

std::vector<float> penalised(const Penalties& penalties, std::vector<float> logits) {
    penalties.apply(logits);
    return logits;
}

TEST_CASE("without penalties nothing is remembered and nothing changes") {
    Penalties penalties(SamplingParams{});
    penalties.see_generated(1);
    CHECK_FALSE(penalties.active());
    CHECK(penalised(penalties, {1, 2, 3}) == std::vector<float>{1, 2, 3});
}

TEST_CASE("repeat_penalty divides positive logits and multiplies negative ones, once per token") {
    Penalties penalties(SamplingParams{.repeat_penalty = 2});
    penalties.see_prompt(std::vector<Token>{0, 1, 1});
    CHECK(penalised(penalties, {3, -3, 3}) == std::vector<float>{1.5F, -6, 3});
}

TEST_CASE("presence counts once, frequency every time") {
    Penalties penalties(SamplingParams{.presence_penalty = 0.5F, .frequency_penalty = 0.25F});
    for (const Token token : {1, 1, 1, 2}) penalties.see_generated(token);
    const auto logits = penalised(penalties, {1, 1, 1});
    CHECK(logits[0] == Approx(1));
    CHECK(logits[1] == Approx(1 - 0.5 - 0.75));
    CHECK(logits[2] == Approx(1 - 0.5 - 0.25));
}

TEST_CASE("negative penalties make repetition more likely") {
    Penalties penalties(SamplingParams{.presence_penalty = -1, .frequency_penalty = -2});
    penalties.see_generated(0);
    CHECK(penalised(penalties, {1, 1}) == std::vector<float>{4, 1});
}

TEST_CASE("a token that leaves the window is no longer penalised") {
    Penalties penalties(SamplingParams{.repeat_last_n = 2, .presence_penalty = 1});
    penalties.see_prompt(std::vector<Token>{0, 1, 2});
    CHECK(penalised(penalties, {0, 0, 0, 0}) == std::vector<float>{0, -1, -1, 0});
    penalties.see_generated(3);
    CHECK(penalised(penalties, {0, 0, 0, 0}) == std::vector<float>{0, 0, -1, -1});
}

TEST_CASE("a window of 0 switches penalties off, one of -1 remembers everything") {
    Penalties none(SamplingParams{.repeat_last_n = 0, .presence_penalty = 1});
    Penalties all(SamplingParams{.repeat_last_n = -1, .presence_penalty = 1});
    for (auto* penalties : {&none, &all}) {
        penalties->see_prompt(std::vector<Token>{0});
        for (int i = 0; i < 1000; ++i) penalties->see_generated(1);
    }
    CHECK(penalised(none, {0, 0, 0}) == std::vector<float>{0, 0, 0});
    CHECK(penalised(all, {0, 0, 0}) == std::vector<float>{-1, -1, 0});
}

TEST_CASE("when only generated tokens count, the prompt and the window do not matter") {
    Penalties penalties(SamplingParams{
        .repeat_penalty = 2, .repeat_last_n = 2, .frequency_penalty = 1, .penalize_prompt = false});
    penalties.see_prompt(std::vector<Token>{0, 0});
    CHECK(penalised(penalties, {4, 4, 4, 4}) == std::vector<float>{2, 4, 4, 4});  // repeat_penalty keeps its window
    for (const Token token : {1, 1, 2, 3}) penalties.see_generated(token);
    CHECK(penalised(penalties, {4, 4, 4, 4}) == std::vector<float>{4, 2, 1, 1});
}

TEST_CASE("a banned token stays banned under every penalty") {
    Penalties penalties(SamplingParams{.repeat_penalty = 0.5F, .presence_penalty = -1});
    penalties.see_generated(0);
    CHECK(penalised(penalties, {-test::infinity})[0] == -test::infinity);
}

TEST_CASE("counting in a moving window agrees with counting anew at every step") {
    Random random(5);
    for (const bool penalize_prompt : {true, false}) {
        const SamplingParams params{.repeat_penalty = 1.5F, .repeat_last_n = 13, .presence_penalty = 0.3F,
                                    .frequency_penalty = 0.7F, .penalize_prompt = penalize_prompt};
        Penalties penalties(params);
        std::vector<Token> all(20);
        for (auto& token : all) token = static_cast<Token>(random.next() % 8);
        penalties.see_prompt(all);
        for (int step = 0; step < 500; ++step) {
            std::map<Token, int> window;
            for (std::size_t i = all.size() - 13; i < all.size(); ++i) ++window[all[i]];
            std::map<Token, int> counted;
            if (penalize_prompt) counted = window;
            else for (std::size_t i = 20; i < all.size(); ++i) ++counted[all[i]];
            const auto logits = penalised(penalties, std::vector<float>(8, 3));
            for (Token token = 0; token < 8; ++token) {
                double expected = window.contains(token) ? 3 / 1.5 : 3;
                if (counted.contains(token)) expected -= 0.3 + 0.7 * counted[token];
                REQUIRE(logits[static_cast<std::size_t>(token)] == Approx(expected).margin(1e-4));
            }
            all.push_back(static_cast<Token>(random.next() % 8));
            penalties.see_generated(all.back());
        }
    }
}

TEST_CASE("penalties reach the choice of the token") {
    const std::vector<float> logits{2, 1.9F, 0};
    auto sampler = test::sampler({.temperature = 0, .presence_penalty = 0.5F}, 3);
    CHECK(sampler.sample(logits) == 0);
    sampler.accept(0);
    CHECK(sampler.sample(logits) == 1);
    sampler.accept(1);
    CHECK(sampler.sample(logits) == 0);
}

}  // namespace
}  // namespace weft
