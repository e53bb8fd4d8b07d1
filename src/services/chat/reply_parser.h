#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runner/generation.h"
#include "services/chat/call_parser.h"
#include "services/chat/harmony_parser.h"
#include "services/chat/reply_delta.h"
#include "services/chat/reply_rules.h"

namespace weft {

// Splits the text of one choice into thinking, content and calls of tools, piece by piece, in the notation of the model's
// family. A reply thinks when it begins, after white space, with the family's opening tag, or when its prompt ended inside
// such a block; a tag anywhere later is ordinary content. The tags and the white space next to them belong to neither
// part. Text that may turn out to be a tag or a call is held back, never sent and then withdrawn, so the result does not
// depend on where the pieces are cut. CallParser says what counts as a call.
class ReplyParser {
  public:
    enum class Mode : std::uint8_t {
        plain,            // everything is content
        may_think,        // content, unless it begins with the opening tag
        inside_thinking,  // the prompt has opened the block already
    };

    ReplyParser(const ReplyRules& rules, bool thinking_open);
    // <think> tags and no calls.
    explicit ReplyParser(Mode mode);

    [[nodiscard]] ReplyDelta feed(TextPiece piece);
    // What was held back. Nothing may be fed afterwards.
    [[nodiscard]] ReplyDelta finish();

    // Sampled tokens of the thinking block so far, its tags included. A piece of several tokens that spans the end of
    // the block counts as a whole.
    [[nodiscard]] std::uint32_t thinking_tokens() const {
        return harmony_ ? harmony_->thinking_tokens() : thinking_tokens_;
    }
    // Whether a call has been told: what most dialects make the finish reason of.
    [[nodiscard]] bool called() const { return called_; }
    // After finish(): the last call that was told lacks its end.
    [[nodiscard]] bool last_call_is_cut_off() const {
        return harmony_ ? harmony_->last_call_is_cut_off() : calls_ && calls_->last_call_is_cut_off();
    }
    // Bytes looked at in search of calls, to show that the work is linear.
    [[nodiscard]] std::size_t work() const { return harmony_ ? harmony_->work() : calls_ ? calls_->work() : 0; }

  private:
    enum class Part : std::uint8_t { before_tag, thinking, after_thinking, content };

    ReplyDelta split_thinking(TextPiece piece);
    ReplyDelta finish_thinking();
    void advance(ReplyDelta& delta);
    bool step(ReplyDelta& delta);
    bool look_for_opening_tag();
    bool take_thinking(ReplyDelta& delta);
    bool skip_white_space();
    void keep_logprobs_of_last(std::size_t n_bytes);
    void find_calls(ReplyDelta& delta);

    std::string opening_tag_;
    std::string closing_tag_;
    Part part_;
    bool thought_anything_ = false;  // white space at the start of the block is dropped
    std::string held_;               // not yet assigned to a part
    std::vector<TokenLogprob> held_logprobs_;
    std::uint32_t held_tokens_ = 0;  // tokens of held_ that count as thinking if it turns out so
    std::uint32_t thinking_tokens_ = 0;
    std::unique_ptr<CallParser> calls_;       // null: no words to look for
    std::unique_ptr<HarmonyParser> harmony_;  // does everything where it is there
    bool called_ = false;
};

}  // namespace weft
