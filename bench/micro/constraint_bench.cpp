// What does a grammar cost for each token of an answer? Answers to one schema, sampled from rows of random logits, which
// say nothing of JSON: nearly every token has to be looked for.
//     constraint_bench [vocabulary] [answers]

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numbers>
#include <string>
#include <vector>

#include "engine/grammar_constraint.h"
#include "engine/sampling/sampler.h"
#include "grammar/gbnf_builder.h"

namespace {

using namespace weft;
using Clock = std::chrono::steady_clock;

constexpr std::size_t longest_answer = 400;  // tokens
constexpr const char* schema = R"({"type":"object","additionalProperties":false,"required":["title","items","note"],"properties":{
    "title":{"type":"string","maxLength":60},"note":{"type":"string","maxLength":100},
    "items":{"type":"array","minItems":4,"maxItems":4,"items":{"type":"object","additionalProperties":false,"required":["name","price","kind"],
        "properties":{"name":{"type":"string","maxLength":30},"price":{"type":"integer"},"kind":{"enum":["bread","milk","fruit"]}}}}}})";

// All bytes, then words of letters, half of them behind a space; the last token ends an answer.
class MadeVocabulary final : public Vocabulary {
  public:
    explicit MadeVocabulary(std::size_t size) {
        for (int byte = 0; byte < 256; ++byte) texts_.emplace_back(1, static_cast<char>(byte));
        Random random(1);
        while (texts_.size() + 1 < size) {
            std::string word(texts_.size() % 2, ' ');
            const auto letters = 2 + static_cast<std::size_t>(random.uniform() * 8);
            for (std::size_t i = 0; i < letters; ++i) word += static_cast<char>('a' + static_cast<int>(26 * random.uniform() * random.uniform()));
            texts_.push_back(std::move(word));
        }
        texts_.emplace_back();
    }
    [[nodiscard]] std::int32_t size() const override { return static_cast<std::int32_t>(texts_.size()); }
    [[nodiscard]] std::string_view bytes_of(Token token) const override { return texts_[static_cast<std::size_t>(token)]; }
    [[nodiscard]] bool ends_generation(Token token) const override { return token + 1 == size(); }

  private:
    std::vector<std::string> texts_;
};

// Counts how often what is asked.
class CountingFilter final : public TokenFilter {
  public:
    explicit CountingFilter(GrammarConstraint& grammar) : grammar_(grammar) {}
    bool allows(Token token) override {
        ++asked;
        return grammar_.allows(token);
    }
    void keep_allowed(std::span<float> logits) override {
        ++masks;
        const auto start = Clock::now();
        grammar_.keep_allowed(logits);
        mask_us += std::chrono::duration<double, std::micro>(Clock::now() - start).count();
    }
    std::uint64_t asked = 0, masks = 0;
    double mask_us = 0;

  private:
    GrammarConstraint& grammar_;
};

std::vector<float> random_row(std::size_t n, Random& random) {
    std::vector<float> row(n);
    for (auto& logit : row)
        logit = static_cast<float>(2.5 * std::sqrt(-2 * std::log(1 - random.uniform())) * std::cos(2 * std::numbers::pi * random.uniform()));
    return row;
}

}  // namespace

int main(int argc, char** argv) {
    const MadeVocabulary vocabulary(argc > 1 ? std::stoul(argv[1]) : 151'936);
    const int answers = argc > 2 ? std::stoi(argv[2]) : 20;
    const auto n = static_cast<std::size_t>(vocabulary.size());
    GbnfBuilder builder;
    const auto rule = builder.add_schema(schema).value();
    ConstraintCache cache(vocabulary);
    const auto begin = Clock::now();
    const auto compiled = cache.compile({.gbnf = std::move(builder).finish(rule).value()}).value();
    std::printf("made ready in %.1f ms\n", std::chrono::duration<double, std::milli>(Clock::now() - begin).count());

    Random random(2);
    std::vector<std::vector<float>> rows;
    for (int i = 0; i < 8; ++i) rows.push_back(random_row(n, random));
    std::uint64_t tokens = 0, first = 0, asked = 0, masks = 0;
    double total_us = 0, mask_us = 0, free_us = 0;
    for (int answer = 0; answer < answers; ++answer) {
        const SamplingParams params{.temperature = 0.8F, .top_k = 40, .top_p = 0.95F};
        auto sampler = Sampler::create(params, static_cast<std::uint32_t>(n), static_cast<std::uint64_t>(answer)).value();
        auto unbound = Sampler::create(params, static_cast<std::uint32_t>(n), static_cast<std::uint64_t>(answer)).value();
        GrammarConstraint grammar(compiled);
        CountingFilter filter(grammar);
        for (std::size_t i = 0; i < longest_answer && !grammar.ended(); ++i, ++tokens) {
            const auto& row = rows[(i + static_cast<std::size_t>(answer)) % rows.size()];
            const auto asked_before = filter.asked;
            grammar.begin_step();
            const auto start = Clock::now();
            const auto token = sampler.sample(row, filter);
            if (!token) std::abort();
            grammar.accept(*token);
            const auto between = Clock::now();
            (void)unbound.sample(row);
            total_us += std::chrono::duration<double, std::micro>(between - start).count();
            free_us += std::chrono::duration<double, std::micro>(Clock::now() - between).count();
            first += filter.asked == asked_before + 1 ? 1 : 0;
            if (vocabulary.ends_generation(*token)) break;
        }
        asked += filter.asked;
        masks += filter.masks;
        mask_us += filter.mask_us;
    }
    const auto per_token = [&](double value) { return value / static_cast<double>(std::max<std::uint64_t>(tokens, 1)); };
    std::printf("%zu tokens in the vocabulary, %llu sampled: %.1f us each, %.1f us without the grammar\n", n,
                static_cast<unsigned long long>(tokens), per_token(total_us), per_token(free_us));
    std::printf("taken at the first asking %.0f %%, asked %.1f tokens each, whole vocabulary for %.0f %% of them, %.1f us a time\n",
                100 * per_token(static_cast<double>(first)), per_token(static_cast<double>(asked)), 100 * per_token(static_cast<double>(masks)),
                masks > 0 ? mask_us / static_cast<double>(masks) : 0.0);
}
