#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "base/clock.h"
#include "http/router.h"
#include "registry/registry.h"
#include "services/chat/chat_service.h"
#include "services/embed/embed_service.h"

// Ollama's API: everything under /api and the greeting at /.
namespace weft::api::ollama {

// What the handlers call. What it refers to outlives the router.
struct Services {
    Registry& registry;
    ChatService& chat;
    EmbedService& embed;
    const Clock& clock;
    std::uint32_t default_context_tokens = 4096;  // the window of a model for which nobody named one
    // The date that answers carry. Tests put a fixed one here.
    std::function<std::chrono::system_clock::time_point()> wall_clock = [] { return std::chrono::system_clock::now(); };
};

// Adds every route of the dialect.
void add_routes(http::Router& router, Services services);

}  // namespace weft::api::ollama
