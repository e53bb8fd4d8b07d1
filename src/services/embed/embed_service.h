#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
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

    // Calls what it is given when the client leaves; an empty function unsets it.
    using OnLeave = std::function<void(std::function<void()>)>;

    // Dimensions beyond the model's are ignored. not_found, overloaded, model_load_failed, unsupported,
    // context_overflow (only without truncate), cancelled. The caller keeps the service alive until it has the answer.
    [[nodiscard]] boost::asio::awaitable<Result<EmbedOutcome>> embed(std::string model, EmbedRequest request,
                                                                    std::optional<KeepAlive> keep_alive, OnLeave on_leave);

  private:
    Registry& registry_;
};

}  // namespace weft
