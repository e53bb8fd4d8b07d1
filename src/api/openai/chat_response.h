#pragma once

#include <string>
#include <vector>

#include "api/openai/chat_stream.h"

namespace weft::api::openai {

// Collects the events of one generation into a chat completion that is not streamed.
class ChatAnswer {
  public:
    struct Options {
        std::uint32_t choices = 1;
        bool logprobs = false;
        ThinkingRule thinking{};
    };
    explicit ChatAnswer(Options options) : options_(options) {}

    void add(GenerationEvent event);
    [[nodiscard]] std::string body(const AnswerHead& head) const;

  private:
    struct Choice {
        ReplyParser parser;
        ReplyDelta reply{};  // all of it
        FinishReason finish_reason = FinishReason::stop;
    };

    void begin(bool thinking_open);
    void append_choice(std::string& out, std::size_t index) const;
    [[nodiscard]] Usage usage() const;

    Options options_;
    std::vector<Choice> choices_;
    GenerationDone done_;
};

}  // namespace weft::api::openai
