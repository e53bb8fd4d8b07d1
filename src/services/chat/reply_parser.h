#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runner/generation.h"

namespace weft {

// A piece of a tool call. The first delta of a call brings its name and id; arguments arrive in pieces which, joined,
// are one JSON object.
struct ToolCallDelta {
    std::uint32_t index = 0;  // of the call in this choice, from 0
    std::string id{};         // random letters and digits, without the prefix that a dialect may want; first delta only
    std::string name{};       // first delta only
    std::string arguments{};  // to be appended
};

// A part of one choice's reply, told apart. Usually only one of them is filled; several when a piece spans a border:
// thinking comes first, then content, then calls.
struct ReplyDelta {
    std::string thinking;
    std::string content;
    std::vector<ToolCallDelta> tool_calls;
    std::vector<TokenLogprob> logprobs;  // of the tokens that made up the content, as far as they can be told apart

    [[nodiscard]] bool empty() const { return thinking.empty() && content.empty() && tool_calls.empty() && logprobs.empty(); }
};

// Splits the text of one choice into thinking and content, piece by piece. A reply thinks when it begins, after white
// space, with <think>, or when its prompt ended inside such a block; a tag anywhere later is ordinary content. The tags
// and the white space next to them belong to neither part. Text that may turn out to be a tag is held back, never sent
// and then withdrawn, so the result does not depend on where the pieces are cut.
class ReplyParser {
  public:
    enum class Mode : std::uint8_t {
        plain,            // everything is content
        may_think,        // content, unless it begins with the opening tag
        inside_thinking,  // the prompt has opened the block already
    };

    explicit ReplyParser(Mode mode);

    [[nodiscard]] ReplyDelta feed(TextPiece piece);
    // What was held back. Nothing may be fed afterwards.
    [[nodiscard]] ReplyDelta finish();

    // Sampled tokens of the thinking block so far, its tags included. A piece of several tokens that spans the end of
    // the block counts as a whole.
    [[nodiscard]] std::uint32_t thinking_tokens() const { return thinking_tokens_; }

  private:
    enum class Part : std::uint8_t { before_tag, thinking, after_thinking, content };

    void advance(ReplyDelta& delta);
    bool step(ReplyDelta& delta);
    bool look_for_opening_tag();
    bool take_thinking(ReplyDelta& delta);
    bool skip_white_space();
    void keep_logprobs_of_last(std::size_t n_bytes);

    Part part_;
    bool thought_anything_ = false;  // white space at the start of the block is dropped
    std::string held_;               // not yet assigned to a part
    std::vector<TokenLogprob> held_logprobs_;
    std::uint32_t held_tokens_ = 0;  // tokens of held_ that count as thinking if it turns out so
    std::uint32_t thinking_tokens_ = 0;
};

}  // namespace weft
