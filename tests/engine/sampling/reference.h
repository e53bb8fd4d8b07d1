#pragma once

// The sampler's definition written down as plainly as possible: sort everything, in double. Gives the probability of
// every token, so that tests need no random numbers to know what is right.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "runner/generation.h"

namespace weft::reference {

struct Entry {
    Token token;
    double logit;
    double probability = 0;
};

inline void normalise(std::vector<Entry>& entries, double temperature = 1) {
    double max = -std::numeric_limits<double>::infinity();
    for (const auto& entry : entries) max = std::max(max, entry.logit);
    double total = 0;
    for (auto& entry : entries) total += entry.probability = std::exp((entry.logit - max) / temperature);
    for (auto& entry : entries) entry.probability /= total;
}

// Keeps the shortest prefix that reaches p. `slack` collects how close any decision was, for tests that compare sets.
inline void cut_at(std::vector<Entry>& sorted, double p, double& slack) {
    double mass = 0;
    std::size_t kept = 0;
    while (kept < sorted.size() && (kept == 0 || mass < p)) {
        mass += sorted[kept++].probability;
        if (p > 0) slack = std::min(slack, std::abs(mass - p));
    }
    sorted.resize(kept);
}

struct Distribution {
    std::vector<double> probabilities;  // per token; 0 = impossible
    double slack = 1;                   // distance of the closest cut of top_p or typical_p from its limit
};

// Bias and penalties are applied already.
inline Distribution distribution(std::span<const float> logits, const SamplingParams& params) {
    std::vector<Entry> entries;
    for (std::size_t i = 0; i < logits.size(); ++i)
        if (logits[i] > -std::numeric_limits<float>::infinity())
            entries.push_back({static_cast<Token>(i), static_cast<double>(logits[i])});
    std::ranges::stable_sort(entries, std::ranges::greater{}, &Entry::logit);
    Distribution result;
    if (params.top_k > 0 && entries.size() > static_cast<std::size_t>(params.top_k))
        entries.resize(static_cast<std::size_t>(params.top_k));
    if (params.typical_p < 1) {
        normalise(entries);
        double entropy = 0;
        for (const auto& entry : entries)
            if (entry.probability > 0) entropy -= entry.probability * std::log(entry.probability);
        const double log_total = std::log(entries.front().probability) - entries.front().logit;
        std::ranges::stable_sort(
            entries, {}, [&](const Entry& entry) { return std::abs(-(entry.logit + log_total) - entropy); });
        cut_at(entries, static_cast<double>(params.typical_p), result.slack);
        std::ranges::stable_sort(entries, {}, &Entry::token);
        std::ranges::stable_sort(entries, std::ranges::greater{}, &Entry::logit);
    }
    if (params.top_p < 1) {
        normalise(entries);
        cut_at(entries, static_cast<double>(params.top_p), result.slack);
    }
    if (params.min_p > 0) {
        const double limit = entries.front().logit + std::log(static_cast<double>(params.min_p));
        for (const auto& entry : entries) result.slack = std::min(result.slack, std::abs(entry.logit - limit));
        std::erase_if(entries, [&](const Entry& entry) { return entry.logit < limit; });
    }
    normalise(entries, static_cast<double>(params.temperature));
    result.probabilities.assign(logits.size(), 0);
    for (const auto& entry : entries)
        result.probabilities[static_cast<std::size_t>(entry.token)] = entry.probability;
    return result;
}

}  // namespace weft::reference
