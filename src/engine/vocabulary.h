#pragma once

#include <cstdint>
#include <string_view>

#include "runner/generation.h"

namespace weft {

// What a control token stands for in an answer.
enum class Markup : std::uint8_t {
    none,      // nothing: it is an ordinary token, or is never shown
    thinking,  // a border of the thinking block or of the answer: always shown, so that they can be told apart
    calls,     // a border of a tool call: shown to those who offered tools
};

// What the scheduler must know about tokens. Constant; any thread.
class Vocabulary {
  public:
    virtual ~Vocabulary() = default;
    [[nodiscard]] virtual std::int32_t size() const = 0;
    // The token's own bytes; empty for control tokens that mean nothing in an answer.
    [[nodiscard]] virtual std::string_view bytes_of(Token token) const = 0;
    [[nodiscard]] virtual Markup markup_of(Token) const { return Markup::none; }
    [[nodiscard]] virtual bool ends_generation(Token token) const = 0;
};

}  // namespace weft
