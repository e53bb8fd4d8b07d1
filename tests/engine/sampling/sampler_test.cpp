#include "engine/sampling/sampler.h"

#include <cstdint>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "fixtures.h"

namespace weft {
namespace {

using test::infinity;
using test::not_a_number;
using test::sample_once;
using test::sampler;

std::vector<Token> draw_many(Sampler sampler, std::span<const float> logits, int n) {
    std::vector<Token> tokens;
    for (int i = 0; i < n; ++i) {
        tokens.push_back(sampler.sample(logits).value());
        sampler.accept(tokens.back());
    }
    return tokens;
}

TEST_CASE("temperature 0 takes the largest logit, and the first of several") {
    std::vector<float> logits(5000, -3.0F);
    logits[1234] = 2;
    logits[1235] = 2;
    logits[4999] = 2;
    CHECK(sample_once({.temperature = 0}, logits) == 1234);
    CHECK(sample_once({.temperature = 1, .top_k = 1}, logits) == 1234);
    CHECK(sample_once({.temperature = 1, .top_p = 0}, logits) == 1234);
    CHECK(sample_once({.temperature = 1e-30F}, logits) == 1234);
}

TEST_CASE("greedy finds the maximum at every place of vocabularies of every size") {
    for (const std::size_t n : {1, 2, 15, 16, 17, 63, 1023, 1024, 1025, 2500, 50257}) {
        std::vector<float> logits(n, -7.5F);
        for (std::size_t at = 0; at < n; at += n / 7 + 1) {
            logits[at] = -1;
            CHECK(sample_once({.temperature = 0}, logits) == static_cast<Token>(at));
            logits[at] = -7.5F;
        }
    }
}

TEST_CASE("NaN is never chosen, whatever the parameters") {
    for (const SamplingParams& params :
         {SamplingParams{.temperature = 0}, SamplingParams{.temperature = 1}, SamplingParams{.temperature = 1, .top_k = 3},
          SamplingParams{.temperature = 1, .top_p = 0.99F}, SamplingParams{.temperature = 1, .min_p = 1e-9F},
          SamplingParams{.temperature = 1, .typical_p = 0.99F}}) {
        std::vector<float> logits(1500, not_a_number);
        logits[700] = 0;
        logits[1400] = 1;
        auto chosen = sampler(params, logits.size());
        for (int i = 0; i < 50; ++i) {
            const Token token = chosen.sample(logits).value();
            CHECK((token == 700 || token == 1400));
        }
    }
}

TEST_CASE("a row without a possible token is an error") {
    for (const float value : {-infinity, not_a_number})
        for (const float temperature : {0.0F, 1.0F}) {
            const std::vector<float> logits(100, value);
            const auto token = sampler({.temperature = temperature}, 100).sample(logits);
            REQUIRE_FALSE(token.has_value());
            CHECK(token.error().code == ErrorCode::engine_failed);
        }
}

TEST_CASE("an infinite logit is certain") {
    std::vector<float> logits(100, 1.0F);
    logits[40] = infinity;
    logits[60] = infinity;
    CHECK(sample_once({.temperature = 1}, logits) == 40);
    CHECK(sample_once({.temperature = 1, .top_k = 5, .top_p = 0.9F}, logits) == 40);
}

TEST_CASE("logits that cannot be told apart from infinity in float still give a token") {
    std::vector<float> logits(3000, -3e38F);
    logits[17] = 3e38F;
    CHECK(sample_once({.temperature = 1}, logits) == 17);
    CHECK(sample_once({.temperature = 1e-6F}, logits) == 17);
    CHECK(sample_once({.temperature = 2, .top_k = 40, .top_p = 0.9F, .min_p = 0.1F}, logits) == 17);
}

TEST_CASE("the same seed gives the same tokens, another seed others") {
    const auto logits = test::random_logits(20000, 3, 7);
    for (const SamplingParams& params :
         {SamplingParams{.temperature = 0.8F}, SamplingParams{.temperature = 0.8F, .top_k = 40, .top_p = 0.95F},
          SamplingParams{.temperature = 0.8F, .top_p = 0.95F}, SamplingParams{.temperature = 1, .min_p = 0.05F},
          SamplingParams{.temperature = 1, .repeat_penalty = 1.3F}}) {
        const auto first = draw_many(sampler(params, logits.size(), 11), logits, 64);
        CHECK(first == draw_many(sampler(params, logits.size(), 11), logits, 64));
        CHECK(first != draw_many(sampler(params, logits.size(), 12), logits, 64));
    }
}

TEST_CASE("the random numbers of a seed are those of the published algorithm") {
    // The first and fourth output of SplitMix64 for this seed, as published; the first output follows from them.
    Random random(1234567);
    const std::uint64_t s0 = 6457827717110365317ULL;
    const std::uint64_t s3 = 4593380528125082431ULL;
    CHECK(random.next() == std::rotl(s0 + s3, 23) + s0);
    for (int i = 0; i < 10000; ++i) {
        const double value = random.uniform();
        CHECK((value >= 0 && value < 1));
    }
}

TEST_CASE("a bias of -100 bans a token and one of 100 forces it") {
    const std::vector<float> logits{30, -5, 2, 1};
    CHECK(sample_once({.temperature = 0, .logit_bias = {{0, -100}}}, logits) == 2);
    auto forced = sampler({.temperature = 1, .logit_bias = {{1, 100}}}, 4);
    for (int i = 0; i < 100; ++i) CHECK(forced.sample(logits) == 1);
    CHECK(sample_once({.temperature = 0, .logit_bias = {{1, 100}, {3, 100}}}, logits) == 3);
    CHECK(sample_once({.temperature = 0, .logit_bias = {{0, -20.5F}, {3, 10}}}, logits) == 3);
}

TEST_CASE("banning every token is an error, not a crash") {
    const std::vector<float> logits{1, 2};
    const auto token = sampler({.temperature = 1, .logit_bias = {{0, -100}, {1, -100}}}, 2).sample(logits);
    REQUIRE_FALSE(token.has_value());
    CHECK(token.error().code == ErrorCode::engine_failed);
}

TEST_CASE("values that make no sense are refused by name") {
    const auto field_of = [](const SamplingParams& params) {
        const auto made = Sampler::create(params, 100, 1);
        REQUIRE_FALSE(made.has_value());
        CHECK(made.error().code == ErrorCode::invalid_request);
        return made.error().field;
    };
    CHECK(field_of({.temperature = -1}) == "temperature");
    CHECK(field_of({.temperature = not_a_number}) == "temperature");
    CHECK(field_of({.temperature = infinity}) == "temperature");
    CHECK(field_of({.top_p = not_a_number}) == "top_p");
    CHECK(field_of({.min_p = not_a_number}) == "min_p");
    CHECK(field_of({.typical_p = infinity}) == "typical_p");
    CHECK(field_of({.repeat_penalty = 0}) == "repeat_penalty");
    CHECK(field_of({.repeat_last_n = -2}) == "repeat_last_n");
    CHECK(field_of({.presence_penalty = infinity}) == "presence_penalty");
    CHECK(field_of({.frequency_penalty = not_a_number}) == "frequency_penalty");
    CHECK(field_of({.logit_bias = {{100, 1}}}) == "logit_bias");
    CHECK(field_of({.logit_bias = {{-1, 1}}}) == "logit_bias");
    CHECK(field_of({.logit_bias = {{1, not_a_number}}}) == "logit_bias");
}

TEST_CASE("the row of logits is left as it was") {
    const auto logits = test::random_logits(3000, 2, 3);
    const auto before = logits;
    auto changing = sampler({.temperature = 1, .repeat_penalty = 2, .logit_bias = {{5, -100}, {6, 100}}}, 3000);
    changing.accept(6);
    CHECK(changing.sample(logits).has_value());
    CHECK(logits == before);
}

}  // namespace
}  // namespace weft
