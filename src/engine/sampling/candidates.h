#pragma once

// The reduced set that the filters work on. A filter over a whole row would have to sort it; these first find the few
// tokens that matter and then select among them without sorting, in time linear in their number. Thread: any.

#include <cstddef>
#include <span>
#include <vector>

#include "engine/sampling/random.h"
#include "runner/generation.h"

namespace weft {

struct Candidate {
    float logit;
    float weight;  // exp(logit - largest logit): proportional to its probability; set by weigh()
    Token token;
};

using Candidates = std::vector<Candidate>;

// Every order here is total: of equal logits the smaller token comes first.
[[nodiscard]] inline bool more_likely(const Candidate& a, const Candidate& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

// Each of these replaces `out` by tokens whose logit is above -inf (NaN counts as -inf), in no particular but
// always the same order. Weights are not set yet.
void gather_all(std::span<const float> logits, Candidates& out);
void gather_at_least(std::span<const float> logits, float threshold, Candidates& out);  // threshold > -inf
void gather_top(std::span<const float> logits, std::size_t k, Candidates& out);         // the k most likely; k > 0

// Sets the weights against the largest logit of the row, which is finite. Returns their sum.
double weigh(Candidates& candidates, float max);

// Filters; each keeps at least one candidate of a set that is not empty. keep_top and keep_min_p need no weights.
void keep_top(Candidates& candidates, std::size_t k);
// The shortest prefix, most likely first, whose weights reach `mass`.
void keep_most_likely(Candidates& candidates, double mass);
// Locally typical sampling (Meister et al., 2022): the shortest prefix, ordered by how far the surprise -ln p of a token
// is from the entropy of the set, whose probabilities reach p.
void keep_typical(Candidates& candidates, double p);
// Those whose probability is at least min_p times the largest of the set. 0 < min_p <= 1.
void keep_min_p(Candidates& candidates, double min_p);

// One of them at random, with probabilities proportional to exp(logit / temperature). Not empty; temperature > 0.
[[nodiscard]] Token draw(std::span<Candidate> candidates, float temperature, Random& random);

}  // namespace weft
