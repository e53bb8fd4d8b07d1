#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <optional>
#include <string>

#include "registry/registry.h"
#include "runner/generation.h"

namespace weft {

struct EmbedOutcome {
    EmbedResult result;
    std::chrono::nanoseconds load_duration{};
    std::chrono::nanoseconds total_duration{};
};

// Thread: io.
class EmbedService {
  public:
    explicit EmbedService(Registry& registry) : registry_(registry) {}

    // not_found, overloaded, model_load_failed, unsupported, context_overflow (only without truncate).
    [[nodiscard]] boost::asio::awaitable<Result<EmbedOutcome>> embed(std::string model, EmbedRequest request,
                                                                    std::optional<KeepAlive> keep_alive);

  private:
    Registry& registry_;
};

}  // namespace weft
