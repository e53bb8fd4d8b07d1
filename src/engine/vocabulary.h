#pragma once

#include <string_view>

#include "runner/generation.h"

namespace weft {

// What the scheduler must know about tokens. Constant; any thread.
class Vocabulary {
  public:
    virtual ~Vocabulary() = default;
    [[nodiscard]] virtual std::int32_t size() const = 0;
    // The token's own bytes; empty for control tokens, which are never shown.
    [[nodiscard]] virtual std::string_view bytes_of(Token token) const = 0;
    [[nodiscard]] virtual bool ends_generation(Token token) const = 0;
};

}  // namespace weft
