#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "api/ids.h"
#include "registry/registry.h"
#include "services/chat/chat_service.h"

namespace weft {
class BatchStore;
}
namespace weft::api {
class BatchRunner;
}

namespace weft::api::anthropic {

// All that the handlers of this dialect need. What it refers to outlives the router. Tests replace the ids.
struct Services {
    Registry& registry;
    ChatService& chat;
    BatchStore* batch_store = nullptr;  // null, like the next one: it could not be opened
    BatchRunner* batches = nullptr;
    std::uint32_t default_context_tokens = 4096;  // the window of a model for which nobody named one
    std::function<std::string(std::string_view prefix)> new_id = random_id;
    std::function<std::int64_t()> unix_time = system_unix_time;
    // How long the head of a stream waits for the model to be loaded and the prompt to be accepted, so that errors
    // found until then get a status of their own.
    std::chrono::milliseconds head_patience{10'000};
    // A stream that is silent for this long gets a ping.
    std::chrono::milliseconds keep_alive_interval{10'000};
};

}  // namespace weft::api::anthropic
