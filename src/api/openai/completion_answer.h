#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/openai/answer_parts.h"

namespace weft::api::openai {

// The log probabilities of one choice in the legacy shape: four arrays of equal length. Offsets count code points from
// the start of the choice's text, over all chunks of a stream.
class LegacyLogprobs {
  public:
    // with_top: the client asked for alternatives; otherwise top_logprobs is null.
    explicit LegacyLogprobs(bool with_top) : with_top_(with_top) {}

    // The first token of a prompt has no probability.
    void add_first(std::string_view text);
    void add(const TokenLogprob& logprob);
    [[nodiscard]] bool empty() const { return entries_.empty(); }
    // {"tokens":...} with all that was added since the last call, or null when that is nothing.
    void append_and_clear(std::string& out);
    void append(std::string& out) const;

  private:
    struct Entry {
        std::string text;
        std::optional<float> logprob;
        std::vector<TokenAlternative> top;
        std::size_t offset;
    };
    void append_top(std::string& out, const Entry& entry) const;

    bool with_top_;
    std::vector<Entry> entries_;
    std::size_t offset_ = 0;
};

// What `echo` puts before the text, as log probabilities: the prompt's tokens. The runner scores all but the first;
// what they leave of the prompt's text is the first one's, nothing if that is a BOS.
void add_prompt(LegacyLogprobs& logprobs, std::string_view prompt_text, const std::vector<TokenLogprob>& scored);

// What is the same in every answer or chunk: {"id":...,"choices":[
[[nodiscard]] std::string completion_prefix(const AnswerHead& head);

struct CompletionOptions {
    std::uint32_t choices = 1;     // per prompt, to be answered ...
    std::uint32_t candidates = 1;  // ... of so many that come
    bool logprobs = false;
    bool top_logprobs = false;
    bool include_usage = false;  // of a stream
};

// Turns the events of the prompts, one after another, into server-sent events.
class CompletionStreamWriter {
  public:
    CompletionStreamWriter(const AnswerHead& head, CompletionOptions options);

    // The events that follow belong to the next prompt. echo: what its choices begin with; empty for nothing.
    void begin_prompt(std::string echo);
    void add(GenerationEvent event, std::string& out);
    // Usage if wanted, and [DONE].
    void finish(std::string& out);

  private:
    void begin_choices(const PromptAccepted& accepted, std::string& out);
    void add_chunk(std::uint32_t choice, std::string_view text, std::string_view finish_reason, std::string& out);

    CompletionOptions options_;
    std::string prefix_;
    std::string_view usage_null_;
    std::string echo_;
    std::uint32_t first_index_ = 0;  // of the current prompt's choices
    std::uint32_t prompts_ = 0;
    std::vector<LegacyLogprobs> logprobs_;  // per choice of the current prompt
    Usage usage_;
};

// Collects the same into one answer. Of more candidates than choices those with the best mean log probability remain.
class CompletionAnswer {
  public:
    explicit CompletionAnswer(CompletionOptions options) : options_(options) {}

    void begin_prompt(std::string echo);
    void add(GenerationEvent event);
    // After the last event of a prompt.
    void end_prompt();
    [[nodiscard]] std::string body(const AnswerHead& head) const;

  private:
    struct Choice {
        std::string text;
        LegacyLogprobs logprobs;
        FinishReason finish_reason = FinishReason::stop;
        double logprob_sum = 0;
        std::uint32_t tokens = 0;

        [[nodiscard]] double mean_logprob() const { return tokens == 0 ? 0 : logprob_sum / tokens; }
    };
    void add_piece(Choice& choice, const TextPiece& piece);

    CompletionOptions options_;
    std::string echo_;
    std::vector<Choice> candidates_;  // of the current prompt
    std::vector<Choice> chosen_;      // of all prompts so far
    Usage usage_;
};

}  // namespace weft::api::openai
