#pragma once

#include <memory>

#include "api/ollama/generation.h"

namespace weft::api::ollama {

// Starts the generation and answers with one object, or with lines as they come. The client leaving cancels it.
[[nodiscard]] boost::asio::awaitable<void> answer_generation(http::Exchange& exchange, const Services& services,
                                                             Generation generation,
                                                             std::shared_ptr<const ModelInfo> model);

}  // namespace weft::api::ollama
