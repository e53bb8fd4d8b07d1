#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runner/token_stream.h"
#include "services/chat/chat_service.h"
#include "services/chat/reply_parser.h"

namespace weft::api::ollama {

// What of a reply is there at one moment: the text of one or several steps, then possibly the end.
struct ReplyBatch {
    std::string thinking{};
    std::string content{};
    std::vector<ToolCallDelta> tool_calls{};  // complete ones
    std::vector<TokenLogprob> logprobs{};  // of every token, whatever became of its text
    std::optional<GenerationDone> done{};  // the reply ended well ...
    std::optional<Error> error{};          // ... or did not

    [[nodiscard]] bool has_text() const { return !thinking.empty() || !content.empty() || !tool_calls.empty() || !logprobs.empty(); }
    [[nodiscard]] bool last() const { return done || error; }
};

// Reads the events of one choice in batches, so that a step's pieces become one write. Thread: io.
class ReplyReader {
  public:
    // Borrows the reply.
    explicit ReplyReader(Reply& reply) : events_(reply.events), rules_(reply.rules) {}

    // Waits for the next event, then takes all that are there. Not to be called again after a batch that is last().
    [[nodiscard]] boost::asio::awaitable<ReplyBatch> next();

    // Known once the reply has ended.
    [[nodiscard]] FinishReason finish_reason() const { return finish_reason_; }
    // Tokens of the prompt and, after them, of the answer; only those that the request asked for.
    [[nodiscard]] std::vector<Token> take_tokens() { return std::move(tokens_); }

  private:
    void take(ReplyBatch& batch, GenerationEvent event);
    void take(ReplyBatch& batch, PromptAccepted&& accepted);
    void take(ReplyBatch& batch, TextPiece&& piece);
    void take(ReplyBatch& batch, ChoiceFinished&& finished);
    void append(ReplyBatch& batch, ReplyDelta delta);

    TokenStream& events_;
    const ReplyRules& rules_;
    std::optional<ReplyParser> parser_{};  // made when the prompt says whether it opened a thinking block
    std::vector<ToolCallDelta> calls_{};     // told in part
    std::vector<Token> tokens_{};
    FinishReason finish_reason_ = FinishReason::stop;
};

}  // namespace weft::api::ollama
