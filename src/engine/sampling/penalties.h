#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <unordered_map>
#include <vector>

#include "runner/generation.h"

namespace weft {

// repeat_penalty, presence_penalty and frequency_penalty: makes tokens that were seen before less likely. Costs nothing
// when all three are off. Thread: one at a time.
//
// repeat_penalty (Keskar et al., 2019) always looks at the last repeat_last_n tokens of prompt and generated text. The
// two others look at the same window (Ollama, llama.cpp) when penalize_prompt is set, else at everything generated so
// far and at nothing of the prompt (OpenAI).
class Penalties {
  public:
    explicit Penalties(const SamplingParams& params);

    [[nodiscard]] bool active() const { return active_; }
    void see_prompt(std::span<const Token> tokens);
    void see_generated(Token token);
    // Every token seen lies in [0, logits.size()).
    void apply(std::span<float> logits) const;

  private:
    struct Seen {
        Token token;
        std::uint32_t in_window = 0;
        std::uint32_t generated = 0;
    };

    Seen& entry(Token token);
    void enter_window(Token token);
    void forget_if_unused(Token token);

    bool active_;
    bool penalize_prompt_;
    bool unlimited_;             // the window is the whole context
    std::size_t window_tokens_;  // unless unlimited_
    float repeat_;
    float presence_;
    float frequency_;
    std::deque<Token> window_;  // oldest first; unused when unlimited_
    std::vector<Seen> seen_;    // in no particular order
    std::unordered_map<Token, std::uint32_t> index_;  // token -> its place in seen_
};

}  // namespace weft
