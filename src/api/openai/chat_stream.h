#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/openai/answer_parts.h"
#include "services/chat/reply_parser.h"

namespace weft::api::openai {

// What shapes the answer to a chat request, streamed or not.
struct ChatAnswerOptions {
    std::uint32_t choices = 1;
    bool logprobs = false;
    bool include_usage = false;     // streams only
    bool legacy_functions = false;  // function_call in place of tool_calls
    ReplyRules rules{};             // how the text of the reply is told apart
};

// Turns the events of one generation into the server-sent events of a chat completion, ready to be written: a role
// chunk per choice, chunks of text, a finish chunk per choice, usage if wanted, [DONE]. The constant parts of a chunk
// are made once; per token only the text is escaped.
class ChatStreamWriter {
  public:
    ChatStreamWriter(const AnswerHead& head, ChatAnswerOptions options);

    // Appends what the event means for the client; nothing for an Error, which ends the stream in another way.
    void add(GenerationEvent event, std::string& out);

  private:
    struct Choice {
        ReplyParser parser;
        std::string before_delta;  // "data: {...,"choices":[{"index":0,"delta":"
    };

    void begin(const PromptAccepted& accepted, std::string& out);
    void add_piece(TextPiece piece, std::string& out);
    void add_delta(Choice& choice, const ReplyDelta& delta, std::string& out);
    void add_call(Choice& choice, const ToolCallDelta& call, std::string& out);
    void finish_choice(const ChoiceFinished& finished, std::string& out);
    void finish(const GenerationDone& done, std::string& out);
    void end_chunk(std::string_view logprobs, std::string_view finish_reason, std::string& out);

    ChatAnswerOptions options_;
    std::string prefix_;           // "data: {...,"choices":["
    std::string_view usage_null_;  // ,"usage":null in streams that end with usage
    std::vector<Choice> choices_;  // empty until the prompt is accepted
    std::string logprobs_;         // scratch
};

}  // namespace weft::api::openai
