#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "grammar/code_point_set.h"

namespace weft {

inline constexpr std::size_t max_grammar_elements = 2'000'000;
inline constexpr int max_grammar_depth = 64;  // of parentheses

// A grammar in libllama's notation (GBNF), parsed and checked: constant, any thread.
//
// It is our own reading of the notation, because a client's grammar must not be able to harm the engine process: libllama
// expands repetitions into rules, follows a hidden left recursion for ever, lets an ambiguous grammar grow its stacks
// without bound, and aborts where it is asked wrongly (docs/design/0003-grammars.md).
class Grammar {
  public:
    // invalid_request, with what is wrong and where: syntax, a rule that is not defined or defined twice, no root, left
    // recursion (also hidden behind what may be empty), a rule that can never end, sizes. Token references (<..>) are
    // not taken: a grammar speaks of text.
    [[nodiscard]] static Result<std::shared_ptr<const Grammar>> parse(std::string_view gbnf);

    static constexpr std::uint32_t unlimited = std::numeric_limits<std::uint32_t>::max();

    enum class Kind : std::uint8_t {
        characters,  // `least` to `most` characters of class `index`
        call,        // rule `index` once
        loop,        // rule `index`, `least` to `most` times
        end,         // of this alternative
    };
    struct Element {
        Kind kind = Kind::end;
        std::uint32_t index = 0;
        std::uint32_t least = 1;
        std::uint32_t most = 1;
    };
    struct CharacterClass {
        std::array<std::uint64_t, 2> ascii{};
        CodePointSet all;
        [[nodiscard]] bool has_ascii(unsigned char c) const { return ((ascii[c >> 6U] >> (c & 63U)) & 1U) != 0; }
    };

    // Elements of all alternatives, each closed by an end; a position is an index into them.
    [[nodiscard]] const Element& at(std::uint32_t position) const { return elements_[position]; }
    [[nodiscard]] const CharacterClass& characters(std::uint32_t index) const { return classes_[index]; }
    // Where the alternatives of a rule begin.
    [[nodiscard]] std::span<const std::uint32_t> alternatives(std::uint32_t rule) const {
        return std::span(starts_).subspan(rules_[rule].first, rules_[rule].count);
    }
    [[nodiscard]] std::uint32_t root() const { return root_; }
    [[nodiscard]] std::uint32_t n_rules() const { return static_cast<std::uint32_t>(rules_.size()); }
    // Bytes that it takes in memory, about.
    [[nodiscard]] std::size_t bytes() const;
    // Whether its literals spell this text somewhere: then a control token with this text has a meaning in it.
    [[nodiscard]] bool mentions(std::string_view text) const { return text_.find(text) != std::string::npos; }

  private:
    friend class GrammarParser;
    Grammar() = default;

    struct RuleStarts {
        std::uint32_t first = 0;
        std::uint32_t count = 0;
    };
    std::vector<Element> elements_;
    std::vector<std::uint32_t> starts_;
    std::vector<RuleStarts> rules_;
    std::vector<CharacterClass> classes_;
    std::uint32_t root_ = 0;
    std::string text_;  // of its literals
};

}  // namespace weft
