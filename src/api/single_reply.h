#pragma once

#include <optional>
#include <string>

#include "runner/generation.h"
#include "services/chat/reply_parser.h"
#include "services/chat/reply_rules.h"

namespace weft::api {

// The events of a generation with one choice, told apart into thinking, content and calls, for dialects that know no
// second choice. Thread: io.
class SingleReply {
  public:
    // How the text is told apart, as Reply says; before the first event.
    void use(ReplyRules rules) { rules_ = std::move(rules); }

    // What the event adds to the reply; what was held back comes with ChoiceFinished. No Error.
    [[nodiscard]] ReplyDelta add(GenerationEvent event);

    // Known once the prompt is accepted.
    [[nodiscard]] std::uint32_t prompt_tokens() const { return prompt_tokens_; }
    // Known once the reply has ended.
    [[nodiscard]] FinishReason finish_reason() const { return finish_reason_; }
    [[nodiscard]] const std::string& stop_string() const { return stop_string_; }
    [[nodiscard]] const GenerationDone& done() const { return done_; }
    [[nodiscard]] std::uint32_t thinking_tokens() const { return parser_ ? parser_->thinking_tokens() : 0; }

  private:
    ReplyRules rules_{};
    std::optional<ReplyParser> parser_{};  // made when the prompt says whether it opened a thinking block
    std::uint32_t prompt_tokens_ = 0;
    FinishReason finish_reason_ = FinishReason::stop;
    std::string stop_string_{};
    GenerationDone done_{};
};

// A whole reply, for answers that are not streamed.
struct WholeReply {
    struct Call {
        std::string id;
        std::string name;
        std::string arguments;
    };
    std::string thinking{};
    std::string content{};
    std::vector<Call> calls{};
    std::vector<TokenLogprob> logprobs{};

    void add(ReplyDelta delta);
};

}  // namespace weft::api
