#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "grammar/pattern_finder.h"
#include "services/pipelines/pipeline_options.h"

namespace weft {

// Replaces every part of a text that a word or pattern matches. The time grows with the text's length alone, whatever it
// says. Immutable. Thread: any.
class Redactor {
  public:
    [[nodiscard]] static Result<Redactor> make(const RedactOptions& options);
    [[nodiscard]] std::string apply(std::string_view text) const;

  private:
    PatternFinder finder_{};
    std::string replacement_{};
};

}  // namespace weft
