#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "registry/registry.h"
#include "runner/generation.h"
#include "services/chat/reply_rules.h"
#include "services/pending.h"

namespace weft {

// Sampling values that a request named. What it did not name comes from the model's configuration, then from the
// dialect's defaults.
struct SamplingOverrides {
    std::optional<float> temperature, top_p, min_p, typical_p, repeat_penalty, presence_penalty, frequency_penalty;
    std::optional<std::int32_t> top_k, repeat_last_n;
    std::optional<std::int64_t> seed;                  // negative = random; taken modulo 2^32
    std::optional<std::int64_t> max_tokens;            // negative = no limit
    std::optional<std::vector<std::string>> stop;
    std::optional<std::uint32_t> context_tokens;       // num_ctx: may load the model anew with a larger window
    std::optional<std::uint32_t> keep_tokens;          // num_keep
    std::vector<LogitBias> logit_bias;
    LoadOptions load{};                                // num_gpu, num_thread, num_batch, use_mmap: likewise
};

// One generation, whatever dialect asked for it. For a chat prompt the service adds the model's configured system
// message when the conversation brings none.
struct ChatRequest {
    std::string model;
    GenerateRequest generate;             // prompt, choices, logprobs, ...; its sampling is the dialect's default
    SamplingOverrides overrides;
    std::optional<KeepAlive> keep_alive;
};

// What came of asking for a model: the runner that will do it, kept loaded while this lives, and the events.
struct Reply {
    RunnerLease lease;
    TokenStream events;
    ReplyRules rules{};  // how the text of the pieces is told apart: by ReplyParsers made from them
};

// Thread: io.
class ChatService {
  public:
    // new_call_id: names the tool calls of replies; tests replace it.
    ChatService(Registry& registry, boost::asio::any_io_executor io,
                std::function<std::string()> new_call_id = random_call_id)
        : registry_(registry), io_(std::move(io)), new_call_id_(std::move(new_call_id)) {}

    // Asks for the model and starts the generation as soon as it is loaded. A dialect that streams waits for the reply
    // piecewise, so that it can send something while a model loads; one whose client has left cancels it. Errors that
    // come before the generation (not_found, unsupported, overloaded, model_load_failed,
    // shutting_down) are the value; errors of the generation itself come as the last event of the reply.
    [[nodiscard]] Pending<Reply> begin(ChatRequest request);

    // begin() for a caller who just waits.
    [[nodiscard]] boost::asio::awaitable<Result<Reply>> start(ChatRequest request);

    // Loads the model (or just restarts its keep-alive) without generating.
    [[nodiscard]] boost::asio::awaitable<Result<RunnerLease>> load(std::string model, std::optional<KeepAlive> keep_alive,
                                                                   std::uint32_t context_tokens = 0,
                                                                   LoadOptions options = {});

    // How long the prompt of a chat request is, in tokens, rendered as a generation would; nothing is generated. The
    // model is loaded if need be.
    [[nodiscard]] boost::asio::awaitable<Result<std::uint32_t>> count_prompt_tokens(ChatRequest request);

  private:
    Registry& registry_;
    boost::asio::any_io_executor io_;
    std::function<std::string()> new_call_id_;
};

// The request as the runner gets it: overrides over the model's parameters over the dialect's defaults.
// A conversation without a system message gets the model's configured one. model_load_failed when a parameter in the
// model's configuration has the wrong type: no request cures that.
[[nodiscard]] Result<GenerateRequest> resolve(const ChatRequest& request, const ModelInfo& model);

}  // namespace weft
