#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "services/chat/json_scanner.h"
#include "services/chat/reply_delta.h"
#include "services/chat/reply_rules.h"
#include "services/chat/word_matcher.h"

namespace weft {

// Reads gpt-oss's replies, which are messages on channels:
//   <|channel|>analysis<|message|>thoughts<|end|><|start|>assistant<|channel|>final<|message|>answer
//   <|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city":"Paris"}<|call|>
// The analysis channel is thinking, commentary to a function is a call, everything else is content. The same rules as
// CallParser's: calls whole, content never behind a call, a call that is none is content, markers are never told.
class HarmonyParser {
  public:
    explicit HarmonyParser(const ReplyRules& rules, bool thinking_open);

    void feed(TextPiece piece, ReplyDelta& out);
    void finish(ReplyDelta& out);

    // As CallParser's.
    [[nodiscard]] bool last_call_is_cut_off() const { return cut_off_; }
    [[nodiscard]] std::uint32_t thinking_tokens() const { return thinking_tokens_; }
    [[nodiscard]] std::size_t work() const { return work_; }

  private:
    enum class Part : std::uint8_t { header, thinking, content, call };

    void take(bool ended, ReplyDelta& out);
    void take_marker(std::string_view word, ReplyDelta& out);
    void take_byte(char c, ReplyDelta& out);
    void begin_message();
    void end_message(ReplyDelta& out);
    void tell_call(ReplyDelta& out);
    void tell_call_early(char c, ReplyDelta& out);
    void add_content(std::string_view text, ReplyDelta& out);

    std::shared_ptr<const OfferedTools> tools_;
    std::size_t max_calls_;
    std::function<std::string()> new_call_id_;
    WordMatcher markers_;
    Part part_ = Part::header;
    std::string held_;    // text that may become a marker
    std::string header_;  // of the message that begins
    std::string call_;    // the arguments so far
    std::string callee_;
    bool early_;                   // arguments are told while they are written
    JsonScanner early_arguments_;  // of this call
    enum class Early : std::uint8_t { no, yes, over } early_state_ = Early::no;
    bool thought_anything_ = false;  // another analysis message is a paragraph of its own
    bool thought_pending_ = false;
    bool said_anything_ = false;     // the same for content
    bool new_message_ = true;
    bool cut_off_ = false;
    std::uint32_t calls_ = 0;
    std::uint32_t thinking_tokens_ = 0;
    std::size_t work_ = 0;
};

}  // namespace weft
