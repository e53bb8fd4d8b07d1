#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "engine/grammar_constraint.h"
#include "engine/sampling/sampler.h"
#include "engine/vocabulary.h"
#include "runner/reply_format.h"

namespace weft {

// White space that may stand between a thinking block and an answer that has a form.
inline constexpr std::size_t max_gap_bytes = 16;

// What one answer must keep to while it is sampled: a grammar for the answer proper, a budget for the thinking before it.
// It reads along, token by token, to know which of them the next token belongs to. The thinking is free; a grammar with
// triggers begins with the first of these.
// Thread: one at a time (the sampler pool).
class AnswerGuard final : public TokenFilter {
  public:
    struct Rules {
        std::shared_ptr<const CompiledConstraint> constraint{};  // null: only the budget
        ReplyFormat format{};                                    // how thinking is marked; says nothing for raw prompts
        bool thinking_open = false;                              // the prompt has opened the block
        bool may_think = true;                                   // false: an answer with a form has no block before it
        std::optional<std::uint32_t> thinking_budget{};
        std::vector<Token> closing{};                            // what closes the block when the budget is spent
        bool ignore_end = false;                                 // tokens that end the generation do not count
    };
    AnswerGuard(Rules rules, const Vocabulary& vocabulary);

    // The next token. With the same seed as without a guard as long as that would do.
    // invalid_request when the grammar is too ambiguous to be followed or leaves no token of the vocabulary.
    [[nodiscard]] Result<Token> choose(Sampler& sampler, std::span<const float> logits);
    // The token that the answer goes on with.
    void took(Token token);
    // The grammar has ended and nothing may follow.
    [[nodiscard]] bool ended() const { return place_ == Place::answer && grammar_ && grammar_->ended(); }

    // ---- TokenFilter ----
    [[nodiscard]] bool allows(Token token) override;
    void keep_allowed(std::span<float> logits) override;

  private:
    enum class Place : std::uint8_t {
        beginning,  // the thinking block may still be opened
        thinking,
        gap,        // white space, then the grammar
        free,       // the grammar waits for a trigger
        answer,     // the grammar holds
        anything,   // no grammar, and no thinking to come
    };
    // Where a text leads: the grammar has to take the part of it that is its own.
    struct Reading {
        Place place;
        std::string tail;          // of the text, as far as `place` needs it
        std::size_t gap_bytes = 0;
        std::string for_grammar{};
        bool refused = false;
    };
    void close_thinking();
    void settle(Reading reading);
    [[nodiscard]] Reading read(std::string_view text) const;
    [[nodiscard]] Reading read_beginning(std::string text) const;
    [[nodiscard]] Reading read_thinking(std::string text) const;
    [[nodiscard]] Reading read_gap(std::string_view text, std::size_t gap_bytes) const;
    [[nodiscard]] Reading read_free(std::string text) const;
    [[nodiscard]] Reading read_answer(std::string text) const;
    [[nodiscard]] Reading after_thinking(std::string text) const;
    [[nodiscard]] bool has_grammar() const { return rules_.constraint != nullptr; }
    [[nodiscard]] bool waits_for_trigger() const { return has_grammar() && !rules_.constraint->plan().triggers.empty(); }

    Rules rules_;
    const Vocabulary& vocabulary_;
    std::unique_ptr<GrammarConstraint> grammar_;
    Place place_;
    std::string tail_;
    std::size_t gap_bytes_ = 0;
    std::uint32_t thought_tokens_ = 0;
    std::size_t closing_left_ = 0;  // tokens of rules_.closing that are still to come
    bool forced_ = false;           // the token that choose() told last is one of them
    // The closing tag once the budget has closed the block: a model that has not noticed would write it into the answer.
    std::optional<Token> closed_with_{};
};

}  // namespace weft
