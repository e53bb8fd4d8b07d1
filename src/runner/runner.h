#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "runner/engine_metrics.h"
#include "runner/generation.h"
#include "runner/model_description.h"
#include "runner/token_stream.h"

namespace weft {

// A snapshot, at most one heartbeat old.
struct RunnerStats {
    std::chrono::steady_clock::time_point heartbeat{};  // of the scheduler's step thread, not of a socket
    std::uint32_t running = 0;
    std::uint32_t waiting = 0;
    std::uint32_t kv_cells_used = 0;
    std::uint64_t prompt_tokens = 0;      // since start: asked for ...
    std::uint64_t prefilled_tokens = 0;   // ... really computed
    std::uint64_t cached_tokens = 0;      // ... taken from the cache
    std::uint64_t completion_tokens = 0;
    std::uint64_t steps = 0;
    std::uint64_t step_ns = 0;            // time inside decode calls
    EngineMetrics metrics{};
    std::vector<QueueEntry> queue{};
};

// The seam to whatever generates: an engine process, a remote server, a fake. Everything above it is the same for all.
// Thread: io. Callbacks run on io too, never from inside the call that was given them.
class Runner {
  public:
    virtual ~Runner() = default;

    [[nodiscard]] virtual const ModelDescription& description() const = 0;

    // The stream ends with exactly one GenerationDone or Error, whatever happens to the runner. Destroying the stream
    // before that cancels the request; the scheduler forgets it before it plans its next batch.
    [[nodiscard]] virtual TokenStream start(GenerateRequest request) = 0;

    // Calling what comes back gives up: done is then not called, unless it was already, and the engine stops within one
    // step.
    virtual std::function<void()> embed(EmbedRequest request, std::function<void(Result<EmbedResult>)> done) = 0;

    // add_special: BOS/EOS as the vocabulary asks. parse_special: "<|im_start|>" in the text is that token.
    virtual void tokenize(std::string text, bool add_special, bool parse_special,
                          std::function<void(Result<std::vector<Token>>)> done) = 0;
    // The tokens of a chat prompt without images, as a generation would begin with them.
    virtual void tokenize_chat(ChatPrompt prompt, bool add_special, std::function<void(Result<std::vector<Token>>)> done) = 0;
    virtual void detokenize(std::vector<Token> tokens, std::function<void(Result<std::string>)> done) = 0;
    // The bytes of each token, special ones as their text.
    virtual void pieces(std::vector<Token> tokens, std::function<void(Result<std::vector<std::string>>)> done) = 0;
    // The text that a chat prompt renders to. An image is "<__media__>".
    virtual void render(ChatPrompt prompt, std::function<void(Result<std::string>)> done) = 0;
    // How many tokens a chat prompt is, images included, as PromptAccepted would tell.
    virtual void count(ChatPrompt prompt, std::function<void(Result<std::uint32_t>)> done) = 0;

    [[nodiscard]] virtual RunnerStats stats() const = 0;
};

}  // namespace weft
