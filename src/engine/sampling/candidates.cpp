#include "engine/sampling/candidates.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "base/assert.h"
#include "engine/sampling/vector_math.h"

namespace weft {
namespace {


double sum_of_weights(std::span<const Candidate> candidates) {
    double sum = 0;
    for (const auto& candidate : candidates) sum += static_cast<double>(candidate.weight);
    return sum;
}

template <typename Before>
const Candidate& median(const Candidate& a, const Candidate& b, const Candidate& c, Before before) {
    if (before(a, b)) return before(b, c) ? b : (before(a, c) ? c : a);
    return before(a, c) ? a : (before(b, c) ? c : b);
}

// Moves what comes before the pivot to the front; returns how many and what they weigh.
template <typename Before>
std::pair<std::size_t, double> move_to_front(std::span<Candidate> part, const Candidate pivot, Before before) {
    std::size_t count = 0;
    double weight = 0;
    for (std::size_t i = 0; i < part.size(); ++i) {
        if (!before(part[i], pivot)) continue;
        weight += static_cast<double>(part[i].weight);
        std::swap(part[i], part[count++]);
    }
    return {count, weight};
}

// Cuts `candidates` to the shortest prefix in the order `before` whose weights reach `mass` (at least one). A quickselect
// that goes by weight instead of by position: the part that must contain the border is halved, and only a last handful
// is sorted. Our own, because its result must come in the same order with every standard library.
template <typename Before>
void keep_prefix(Candidates& candidates, double mass, Before before) {
    std::size_t kept = 0;  // [0, kept) belongs to the prefix, [end, size) does not
    std::size_t end = candidates.size();
    double kept_weight = 0;
    constexpr std::size_t few = 24;
    for (int rounds = 0; end - kept > few && rounds < 64; ++rounds) {
        const std::span part(candidates.begin() + kept, candidates.begin() + end);
        const auto pivot = median(part.front(), part[part.size() / 2], part.back(), before);
        auto [count, weight] = move_to_front(part, pivot, before);
        if (count > 0 && kept_weight + weight >= mass) {
            end = kept + count;
            continue;
        }
        // The pivot is the first of the rest: with it the part shrinks whatever the values are.
        const auto found = std::ranges::find(part.subspan(count), pivot.token, &Candidate::token);
        std::swap(part[count], *found);
        kept += count + 1;
        kept_weight += weight + static_cast<double>(pivot.weight);
        if (kept_weight >= mass) return candidates.resize(kept);
    }
    std::sort(candidates.begin() + kept, candidates.begin() + end, before);
    while (kept < end && (kept == 0 || kept_weight < mass)) kept_weight += static_cast<double>(candidates[kept++].weight);
    candidates.resize(kept);
}

void append_at_least(std::span<const float> logits, std::size_t first, std::size_t step, float threshold,
                     Candidates& out) {
    for (std::size_t i = first; i < logits.size(); i += step)
        if (logits[i] >= threshold) out.push_back({logits[i], 1, static_cast<Token>(i)});
}

// The tokens of one of the groups that group_maxima() speaks of.
void append_group(std::span<const float> logits, std::size_t group, float threshold, Candidates& out) {
    const std::size_t from = group / group_lanes * group_chunk;
    const std::size_t to = std::min(from + group_chunk, logits.size());
    append_at_least(logits.first(to), from + group % group_lanes, group_lanes, threshold, out);
}

// A logit that at least k tokens reach, and not many more: the k-th largest maximum of disjoint groups of tokens.
float threshold_for_top(std::span<const float> maxima, std::size_t k) {
    thread_local std::vector<float> sorted;
    sorted.assign(maxima.begin(), maxima.end());
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(k - 1), sorted.end(),
                     std::greater<>());
    return std::max(sorted[k - 1], std::numeric_limits<float>::lowest());
}

}  // namespace

void gather_all(std::span<const float> logits, Candidates& out) {
    gather_at_least(logits, std::numeric_limits<float>::lowest(), out);
}

void gather_at_least(std::span<const float> logits, float threshold, Candidates& out) {
    assert_that(threshold > -infinity, "a threshold leaves out impossible tokens");
    thread_local std::vector<float> maxima;
    maxima.resize(group_count(logits.size()));
    group_maxima(logits, maxima);
    out.clear();
    for (std::size_t group = 0; group < maxima.size(); ++group)
        if (maxima[group] >= threshold) append_group(logits, group, threshold, out);
}

void gather_top(std::span<const float> logits, std::size_t k, Candidates& out) {
    thread_local std::vector<float> maxima;
    maxima.resize(group_count(logits.size()));
    group_maxima(logits, maxima);
    // Beyond half of the groups the border would let nearly everything through.
    const float threshold =
        k <= maxima.size() / 2 ? threshold_for_top(maxima, k) : std::numeric_limits<float>::lowest();
    out.clear();
    for (std::size_t group = 0; group < maxima.size(); ++group)
        if (maxima[group] >= threshold) append_group(logits, group, threshold, out);
    keep_top(out, k);
}

double weigh(Candidates& candidates, float max) {
    for (auto& candidate : candidates) candidate.weight = exp_of_negative(candidate.logit - max);
    return sum_of_weights(candidates);
}

void keep_top(Candidates& candidates, std::size_t k) {
    if (candidates.size() <= k) return;
    for (auto& candidate : candidates) candidate.weight = 1;
    keep_prefix(candidates, static_cast<double>(k), more_likely);
}

void keep_most_likely(Candidates& candidates, double mass) { keep_prefix(candidates, mass, more_likely); }

void keep_typical(Candidates& candidates, double p) {
    const double total = sum_of_weights(candidates);
    const float max = std::ranges::max(candidates, {}, &Candidate::logit).logit;
    // With p = exp(logit - max) / total the surprise is ln(total) - (logit - max), and so is the entropy its mean; what
    // both have in common cancels out in their distance.
    double mean = 0;
    for (const auto& candidate : candidates)
        if (candidate.weight > 0)
            mean += static_cast<double>(candidate.weight) / total * static_cast<double>(candidate.logit - max);
    const auto distance = [&](const Candidate& candidate) {
        return std::abs(static_cast<double>(candidate.logit - max) - mean);
    };
    keep_prefix(candidates, p * total, [&](const Candidate& a, const Candidate& b) {
        const double distance_a = distance(a);
        const double distance_b = distance(b);
        return distance_a < distance_b || (distance_a == distance_b && more_likely(a, b));
    });
}

void keep_min_p(Candidates& candidates, double min_p) {
    const float max = std::ranges::max(candidates, {}, &Candidate::logit).logit;
    const float threshold = max + static_cast<float>(std::log(min_p));
    std::erase_if(candidates, [&](const Candidate& candidate) { return candidate.logit < threshold; });
}

Token draw(std::span<Candidate> candidates, float temperature, Random& random) {
    const float max = std::ranges::max(candidates, {}, &Candidate::logit).logit;
    for (auto& candidate : candidates) candidate.weight = exp_of_negative((candidate.logit - max) * (1 / temperature));
    double left = random.uniform() * sum_of_weights(candidates);
    for (const auto& candidate : candidates) {
        left -= static_cast<double>(candidate.weight);
        if (left < 0) return candidate.token;
    }
    // Rounding can leave a crumb: then it is the last one that is possible at all.
    return std::ranges::find_last_if(candidates, [](const Candidate& c) { return c.weight > 0; }).front().token;
}

}  // namespace weft
