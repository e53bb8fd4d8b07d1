#include "engine/grammar_constraint.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "base/assert.h"

namespace weft {
namespace {

// Of one token of one answer: about a tenth of a second at worst. Usual grammars need a thousandth of it.
constexpr std::uint64_t places_per_step = 3'000'000;
constexpr float impossible = -std::numeric_limits<float>::infinity();

std::vector<std::string_view> texts_of(const Vocabulary& vocabulary) {
    std::vector<std::string_view> texts;
    for (Token token = 0; token < vocabulary.size(); ++token)
        texts.push_back(vocabulary.ends_generation(token) ? std::string_view() : vocabulary.bytes_of(token));
    return texts;
}

}  // namespace

// ---- CompiledConstraint ---------------------------------------------------------------------------------------------

TokenSheet::TokenSheet(const Vocabulary& vocabulary) : order(texts_of(vocabulary)) {
    for (Token token = 0; token < vocabulary.size(); ++token) {
        if (vocabulary.ends_generation(token)) ending.push_back(token);
        marks.push_back(vocabulary.markup_of(token) != Markup::none);
    }
}

CompiledConstraint::CompiledConstraint(ConstraintPlan plan, std::shared_ptr<const Grammar> grammar, const Vocabulary& vocabulary,
                                       std::shared_ptr<const TokenSheet> tokens)
    : plan_(std::move(plan)), grammar_(std::move(grammar)), vocabulary_(vocabulary), tokens_(std::move(tokens)) {}

bool CompiledConstraint::is_text(Token token) const {
    if (vocabulary_.ends_generation(token)) return false;
    const auto bytes = vocabulary_.bytes_of(token);
    return !bytes.empty() && (vocabulary_.markup_of(token) == Markup::none || grammar_->mentions(bytes));
}

// ---- GrammarConstraint ----------------------------------------------------------------------------------------------

GrammarConstraint::GrammarConstraint(std::shared_ptr<const CompiledConstraint> compiled)
    : compiled_(std::move(compiled)), matcher_(compiled_->grammar()) {}

void GrammarConstraint::begin_step() { matcher_.set_budget(places_per_step); }

bool GrammarConstraint::allows(Token token) {
    if (compiled_->vocabulary().ends_generation(token)) return matcher_.can_end();
    return compiled_->is_text(token) && matcher_.allows(compiled_->vocabulary().bytes_of(token));
}

void GrammarConstraint::keep_allowed(std::span<float> logits) {
    struct Kept {
        std::size_t token;
        float logit;
    };
    thread_local std::vector<Kept> kept;  // nearly always a handful
    kept.clear();
    const auto keep = [&](Token token) {
        const auto i = static_cast<std::size_t>(token);
        if (i < logits.size()) kept.push_back({.token = i, .logit = logits[i]});
    };
    const auto& tokens = compiled_->tokens();
    matcher_.for_each_allowed(tokens.order, [&](std::int32_t token) {
        if (!tokens.marks[static_cast<std::size_t>(token)] || compiled_->is_text(token)) keep(token);
    });
    if (matcher_.can_end())
        for (const auto token : tokens.ending) keep(token);
    std::ranges::fill(logits, impossible);
    for (const auto& [token, logit] : kept) logits[token] = logit;
}

void GrammarConstraint::accept(Token token) {
    if (!compiled_->vocabulary().ends_generation(token)) accept_text(compiled_->vocabulary().bytes_of(token));
}

void GrammarConstraint::accept_text(std::string_view text) {
    matcher_.set_budget(~std::uint64_t{0});  // it was looked at before, and one text has its bounds
    assert_that(matcher_.accept(text), "only what a grammar allows is accepted");
}

// ---- ConstraintCache ------------------------------------------------------------------------------------------------

Result<std::shared_ptr<const CompiledConstraint>> ConstraintCache::compile(const ConstraintPlan& plan) {
    auto grammar = known(plan.gbnf);
    if (!grammar) {
        WEFT_TRY(grammar, Grammar::parse(plan.gbnf));
        remember(plan.gbnf, grammar);
    }
    return std::make_shared<const CompiledConstraint>(plan, std::move(grammar), vocabulary_, tokens());
}

std::shared_ptr<const Grammar> ConstraintCache::known(const std::string& text) {
    std::lock_guard lock(mutex_);
    const auto found = by_text_.find(text);
    if (found == by_text_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->grammar;
}

void ConstraintCache::remember(const std::string& text, const std::shared_ptr<const Grammar>& grammar) {
    const auto bytes = grammar->bytes() + text.size();
    if (bytes > max_cached_constraint_bytes / 4) return;
    std::lock_guard lock(mutex_);
    if (by_text_.contains(text)) return;
    entries_.push_front({.text = text, .grammar = grammar, .bytes = bytes});
    by_text_.emplace(entries_.front().text, entries_.begin());
    bytes_ += bytes;
    while (bytes_ > max_cached_constraint_bytes) {
        bytes_ -= entries_.back().bytes;
        by_text_.erase(entries_.back().text);
        entries_.pop_back();
    }
}

std::shared_ptr<const TokenSheet> ConstraintCache::tokens() {
    std::lock_guard lock(mutex_);
    if (!tokens_) tokens_ = std::make_shared<const TokenSheet>(vocabulary_);
    return tokens_;
}

}  // namespace weft
