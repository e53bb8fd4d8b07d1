#pragma once

#include <cstdint>
#include <string>

#include "engine/sampling/random.h"
#include "options.h"

namespace weft::bench {

// Makes the prompts of a run: the same for the same seed, all different but for the shared prefix, so that a server's
// prompt cache finds exactly what --shared-prefix says.
class Prompts {
  public:
    explicit Prompts(const Options& options);
    // JSON: a string of words or an array of token ids.
    [[nodiscard]] std::string next();

  private:
    [[nodiscard]] std::string piece(std::uint32_t n);

    Options options_;
    Random random_;
    std::string prefix_;
};

}  // namespace weft::bench
