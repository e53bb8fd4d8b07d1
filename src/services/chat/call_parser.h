#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "services/chat/call_body.h"
#include "services/chat/reply_delta.h"
#include "services/chat/reply_rules.h"
#include "services/chat/word_matcher.h"

namespace weft {

// Tells calls of tools from the text around them, for the families that mark calls with words in running text.
//
// Text before the first call is content, without the white space before the call; text behind it is dropped, so that
// content never follows a call. What is marked as a call but is none (broken, of a function that was not offered, cut
// off) is text, without its markers; a space keeps apart what a marker parted. A call is told whole, as soon as it is
// complete. With ReplyRules::early_arguments, that is where a grammar holds the model to the notation, arguments are told
// while they are written, if they are JSON, and a call that is cut off is no text: it stands as far as it was told.
// Markers are never told.
class CallParser {
  public:
    explicit CallParser(const ReplyRules& rules);

    // logprobs: of the tokens that made up the text. Those of content come out with it.
    void feed(std::string_view text, std::vector<TokenLogprob> logprobs, ReplyDelta& out);
    void finish(ReplyDelta& out);

    // After finish(): the reply ended in the middle of the last call that was told.
    [[nodiscard]] bool last_call_is_cut_off() const { return !last_call_is_whole_; }
    // Bytes looked at so far, to show that the work is linear.
    [[nodiscard]] std::size_t work() const { return work_; }

  private:
    std::size_t take_text(std::size_t at, bool ended, ReplyDelta& out);
    void open(std::string_view word);
    bool end_body(ReplyDelta& out);
    void leave_out_body(ReplyDelta& out);
    std::size_t release(const CallBody& body, bool ended, ReplyDelta& out);
    void give_back(std::size_t bytes, std::string_view last_read, std::size_t& at);
    bool begins_bare_call(char c) const;
    void tell(ReadCall call, ReplyDelta& out);
    void tell_early(ReplyDelta& out);
    void add_text(char c, ReplyDelta& out);
    void drop_marker(std::size_t bytes, ReplyDelta& out);
    void settle(std::size_t bytes, bool content, ReplyDelta& out);

    CallStyle style_;
    std::shared_ptr<const OfferedTools> tools_;
    std::size_t max_calls_;
    std::function<std::string()> new_call_id_;
    WordMatcher openers_;
    WordMatcher markers_;             // openers included
    std::unique_ptr<CallBody> body_;  // while inside a call
    bool early_;                      // arguments are told while they are written
    std::size_t early_calls_ = 0;     // of this body
    bool last_call_is_whole_ = true;
    bool early_refused_ = false;      // a call of this body was not told early: nor are those behind it
    std::size_t opener_bytes_ = 0;    // of the word that opened it
    std::string held_;                // text that may become a marker
    std::string space_;               // white space that may stand before a call
    std::size_t space_settled_ = 0;   // of it, in the account of logprobs
    bool content_begun_ = false;
    bool gap_ = false;                // a marker was left out where now two texts meet
    std::uint32_t calls_ = 0;
    std::size_t work_ = 0;

    struct PlacedLogprob {
        std::size_t begin;  // of the token, in all text fed
        TokenLogprob logprob;
    };
    std::deque<PlacedLogprob> logprobs_;  // of text whose fate is open
    std::size_t fed_ = 0;
    std::size_t settled_ = 0;
};

}  // namespace weft
