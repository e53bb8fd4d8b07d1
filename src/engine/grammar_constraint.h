#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "engine/vocabulary.h"
#include "grammar/constraint_plan.h"
#include "grammar/grammar.h"
#include "grammar/matcher.h"
#include "grammar/token_order.h"

namespace weft {

// What constraints want to know of a whole vocabulary, gathered once. Constant; any thread.
struct TokenSheet {
    explicit TokenSheet(const Vocabulary& vocabulary);
    TokenOrder order;             // of those that do not end the generation
    std::vector<Token> ending;    // those that do
    std::vector<bool> marks;      // by token: it is a control token
};

// A plan made ready for one vocabulary. Constant, shared by all that use it; any thread.
class CompiledConstraint {
  public:
    CompiledConstraint(ConstraintPlan plan, std::shared_ptr<const Grammar> grammar, const Vocabulary& vocabulary,
                       std::shared_ptr<const TokenSheet> tokens);

    [[nodiscard]] const ConstraintPlan& plan() const { return plan_; }
    [[nodiscard]] const std::shared_ptr<const Grammar>& grammar() const { return grammar_; }
    [[nodiscard]] const Vocabulary& vocabulary() const { return vocabulary_; }
    [[nodiscard]] const TokenSheet& tokens() const { return *tokens_; }
    // Control tokens that have a text are text only for a grammar that spells it.
    [[nodiscard]] bool is_text(Token token) const;

  private:
    ConstraintPlan plan_;
    std::shared_ptr<const Grammar> grammar_;
    const Vocabulary& vocabulary_;
    std::shared_ptr<const TokenSheet> tokens_;
};

// Where one answer stands in its grammar. Thread: one at a time.
class GrammarConstraint {
  public:
    explicit GrammarConstraint(std::shared_ptr<const CompiledConstraint> compiled);

    // Whether the token may come next. One that ends the generation: where the grammar may end.
    [[nodiscard]] bool allows(Token token);
    [[nodiscard]] bool allows_text(std::string_view text) { return matcher_.allows(text); }
    // Sets the logit of every other token to -infinity. Looks at the whole vocabulary: the last resort.
    void keep_allowed(std::span<float> logits);
    // Goes on with what was allowed.
    void accept(Token token);
    void accept_text(std::string_view text);

    // Nothing may follow any more.
    [[nodiscard]] bool ended() const { return matcher_.ended(); }
    // Bounds the work until the next call; exhausted() when that did not suffice and everything was refused.
    void begin_step();
    [[nodiscard]] bool exhausted() const { return matcher_.exhausted(); }

  private:
    std::shared_ptr<const CompiledConstraint> compiled_;
    GrammarMatcher matcher_;
};

inline constexpr std::size_t max_cached_constraint_bytes = std::size_t{64} * 1024 * 1024;

// Compiles plans and keeps the grammars of the last ones. Thread: any; locks mutex_ only to look up.
class ConstraintCache {
  public:
    // The vocabulary must outlive the cache and all that it made.
    explicit ConstraintCache(const Vocabulary& vocabulary) : vocabulary_(vocabulary) {}

    // invalid_request for a grammar that cannot be used.
    [[nodiscard]] Result<std::shared_ptr<const CompiledConstraint>> compile(const ConstraintPlan& plan);

  private:
    struct Entry {
        std::string text;
        std::shared_ptr<const Grammar> grammar;
        std::size_t bytes = 0;
    };
    [[nodiscard]] std::shared_ptr<const Grammar> known(const std::string& text);
    void remember(const std::string& text, const std::shared_ptr<const Grammar>& grammar);
    [[nodiscard]] std::shared_ptr<const TokenSheet> tokens();

    const Vocabulary& vocabulary_;
    std::mutex mutex_;  // guards all below
    std::list<Entry> entries_;  // the last used first
    std::unordered_map<std::string_view, std::list<Entry>::iterator> by_text_;
    std::size_t bytes_ = 0;
    std::shared_ptr<const TokenSheet> tokens_;  // made when first wanted
};

}  // namespace weft
