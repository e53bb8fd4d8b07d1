// How long does the choice of one token take? Median of many calls over rows of random logits, in microseconds.
//     sampling_bench [vocabulary] [spread of the logits]

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numbers>
#include <string>
#include <vector>

#include "engine/sampling/sampler.h"

namespace {

using namespace weft;

std::vector<float> random_logits(std::size_t n, double spread, std::uint64_t seed) {
    Random random(seed);
    std::vector<float> logits(n);
    for (auto& logit : logits)
        logit = static_cast<float>(spread * std::sqrt(-2 * std::log(1 - random.uniform())) *
                                   std::cos(2 * std::numbers::pi * random.uniform()));
    return logits;
}

double median_us(const std::vector<std::vector<float>>& rows, Sampler& sampler) {
    using Clock = std::chrono::steady_clock;
    std::vector<double> times;
    for (int i = 0; i < 2000; ++i) {
        const auto start = Clock::now();
        const auto token = sampler.sample(rows[static_cast<std::size_t>(i) % rows.size()]);
        times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
        if (token) sampler.accept(*token);
    }
    std::ranges::nth_element(times, times.begin() + 1000);
    return times[1000];
}

struct Case {
    const char* name;
    SamplingParams params;
};

}  // namespace

int main(int argc, char** argv) {
    const std::size_t n_vocab = argc > 1 ? std::stoul(argv[1]) : 50257;
    const double spread = argc > 2 ? std::stod(argv[2]) : 2.5;
    std::vector<std::vector<float>> rows;
    for (std::uint64_t seed = 0; seed < 4; ++seed) rows.push_back(random_logits(n_vocab, spread, seed));
    const Case cases[] = {
        {"greedy", {.temperature = 0}},
        {"temperature", {.temperature = 0.8F}},
        {"top_k 40 + top_p 0.9", {.temperature = 0.8F, .top_k = 40, .top_p = 0.9F}},
        {"the same + penalties", {.temperature = 0.8F, .top_k = 40, .top_p = 0.9F, .repeat_penalty = 1.1F}},
        {"top_k 1000", {.temperature = 0.8F, .top_k = 1000}},
        {"top_p 0.9", {.temperature = 0.8F, .top_p = 0.9F}},
        {"top_p 0.2", {.temperature = 0.8F, .top_p = 0.2F}},
        {"min_p 0.05", {.temperature = 0.8F, .min_p = 0.05F}},
        {"typical_p 0.9", {.temperature = 0.8F, .typical_p = 0.9F}},
    };
    std::printf("%zu logits, spread %.1f\n", n_vocab, spread);
    for (const auto& [name, params] : cases) {
        auto sampler = Sampler::create(params, static_cast<std::uint32_t>(n_vocab), 1);
        if (!sampler) return 1;
        std::printf("%-22s %8.1f us\n", name, median_us(rows, *sampler));
    }
}
