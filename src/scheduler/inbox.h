#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <variant>
#include <vector>

#include "runner/generation.h"
#include "engine/grammar_constraint.h"
#include "engine/image_run.h"
#include "runner/reply_format.h"

namespace weft {

// A request whose prompt is rendered, tokenized and known to fit.
struct PreparedRequest {
    std::uint64_t id = 0;
    std::vector<Token> prompt;     // at least one token, fewer than `window`
    std::vector<ImageSpan> images{};  // rows of the prompt that are parts of images
    bool truncated = false;        // what did not fit into the window was left out of it
    GenerateRequest request;       // its prompt member is spent
    std::int32_t window = 0;       // tokens of prompt and answer together
    ReplyFormat reply_format{};    // of a chat: stop strings do not count in its thinking block, nor in tool calls
    bool thinking_open = false;    // the prompt has opened the thinking block already
    bool may_think = true;         // false: the client does not want it to open one
    bool offers_tools = false;     // the borders of tool calls are part of the answer's text
    std::shared_ptr<const CompiledConstraint> constraint{};  // null: the answer is free
    std::vector<std::int32_t> message_borders{};  // before which tokens messages begin, rising; only if states are kept there
    std::vector<Token> thinking_closing{};  // written when the thinking budget is spent
    std::chrono::steady_clock::time_point accepted_at{};
};

// What its client is told when it is taken on.
[[nodiscard]] inline PromptAccepted acceptance_of(const PreparedRequest& prepared, std::vector<TokenLogprob> prompt_logprobs = {}) {
    return {.prompt_tokens = static_cast<std::uint32_t>(prepared.prompt.size()),
            .tokens = prepared.request.want_prompt_tokens ? words_of(prepared.prompt) : std::vector<Token>{},
            .prompt_logprobs = std::move(prompt_logprobs),
            .thinking_open = prepared.thinking_open};
}

struct CancelRequest {
    std::uint64_t id = 0;
};
struct PauseRequest {
    std::uint64_t id = 0;
    bool paused = false;
};
using SchedulerCommand = std::variant<std::shared_ptr<PreparedRequest>, CancelRequest, PauseRequest>;

// The way into the step loop. Bounded by the AdmissionGate (admission_gate.h) in front of it: a request brings at most one arrival, one
// cancel and a few pauses. Thread: any; locks mutex_.
class Inbox {
  public:
    void push(SchedulerCommand command) {
        {
            std::lock_guard lock(mutex_);
            const auto* cancel = std::get_if<CancelRequest>(&command);
            if (cancel != nullptr && interrupt_ && cancel->id == watched_) interrupt_();
            commands_.push_back(std::move(command));
        }
        filled_.notify_one();
    }
    [[nodiscard]] std::vector<SchedulerCommand> take_all() {
        std::lock_guard lock(mutex_);
        return std::exchange(commands_, {});
    }
    // Until a command is there, somebody wakes it, the inbox is closed or `patience` is over.
    void wait_for(std::chrono::milliseconds patience) {
        std::unique_lock lock(mutex_);
        filled_.wait_for(lock, patience, [this] { return closed_ || woken_ || !commands_.empty(); });
        woken_ = false;
    }
    void wake() {
        {
            std::lock_guard lock(mutex_);
            woken_ = true;
        }
        filled_.notify_one();
    }

    // While a decode call runs that is mostly one request's: its cancel calls `interrupt`, from whoever brings it.
    void watch(std::uint64_t id, std::function<void()> interrupt) {
        std::lock_guard lock(mutex_);
        watched_ = id;
        interrupt_ = std::move(interrupt);
    }
    void unwatch() {
        std::lock_guard lock(mutex_);
        interrupt_ = nullptr;
    }
    void close() {
        {
            std::lock_guard lock(mutex_);
            closed_ = true;
        }
        filled_.notify_all();
    }
    [[nodiscard]] bool closed() const {
        std::lock_guard lock(mutex_);
        return closed_;
    }

  private:
    mutable std::mutex mutex_;  // guards all that follows
    std::condition_variable filled_;
    std::vector<SchedulerCommand> commands_;
    bool closed_ = false;
    bool woken_ = false;
    std::uint64_t watched_ = 0;
    std::function<void()> interrupt_;
};

}  // namespace weft
