#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "api/ollama/generation.h"
#include "services/chat/reply_delta.h"

namespace weft::api::ollama {

// What the last object tells about the run. Zero is left out.
struct Metrics {
    std::uint64_t total_ns = 0;
    std::uint64_t load_ns = 0;
    std::uint64_t prompt_tokens = 0;
    std::uint64_t prompt_ns = 0;
    std::uint64_t answer_tokens = 0;
    std::uint64_t answer_ns = 0;
    bool truncated = false;  // some of the prompt did not fit into the window
};

// Everything that the last object of a reply, or the only one, can hold.
struct LastObject {
    std::string text{};
    std::string thinking{};
    std::vector<ToolCallDelta> tool_calls{};  // complete ones
    std::string_view done_reason = "stop";
    Metrics metrics{};
    std::vector<Token> context{};
    std::vector<TokenLogprob> logprobs{};
};

using WallClock = std::function<std::chrono::system_clock::time_point()>;

// Turns one reply into the objects that Ollama's clients read. The parts of a line that stay the same are made once, so
// that a line costs little more than escaping its text. Thread: io.
class ReplyWriter {
  public:
    // Borrows the clock.
    ReplyWriter(Wording wording, const std::string& model, const WallClock& clock);

    // One line. `text` is the answer, or with Thinking::yes part of the thinking.
    enum class Thinking : bool { no, yes };
    void append_line(std::string& out, Thinking thinking, const std::string& text,
                     const std::vector<TokenLogprob>& logprobs);

    // A line with calls of tools, each complete.
    void append_calls(std::string& out, const std::vector<ToolCallDelta>& calls, const std::vector<TokenLogprob>& logprobs);

    // The object with done: true, without a line feed.
    [[nodiscard]] std::string last_object(LastObject last);

  private:
    void end_line(std::string& out, const std::vector<TokenLogprob>& logprobs);

    const Wording wording_;
    const std::string model_;
    const WallClock& clock_;
    std::string head_;            // up to the value of created_at
    std::string answer_begin_;    // from there to the text ...
    std::string answer_end_;      // ... and what closes it
    std::string thinking_begin_;  // the same for a line of thinking
    std::string thinking_end_;
    std::string scratch_;
};

}  // namespace weft::api::ollama
