#pragma once

#include <string>
#include <vector>

#include "api/openai/chat_stream.h"

namespace weft::api::openai {

// Collects the events of one generation into a chat completion that is not streamed.
class ChatAnswer {
  public:
    explicit ChatAnswer(ChatAnswerOptions options) : options_(std::move(options)) {}

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
    void append_calls(std::string& out, const std::vector<ToolCallDelta>& calls) const;
    [[nodiscard]] Usage usage() const;

    ChatAnswerOptions options_;
    std::vector<Choice> choices_;
    GenerationDone done_;
};

}  // namespace weft::api::openai
