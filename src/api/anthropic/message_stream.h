#pragma once

#include <string>
#include <string_view>

#include "api/anthropic/message_answer.h"

namespace weft::api::anthropic {

// Turns the events of one generation into the server-sent events of a message, ready to be written: message_start, a
// ping, blocks that are opened and closed one after the other, message_delta, message_stop.
class MessageStreamWriter {
  public:
    explicit MessageStreamWriter(AnswerHead head) : head_(std::move(head)) {}

    // Before the first event.
    void use(ReplyRules rules) { reply_.use(std::move(rules)); }

    // Appends what the event means for the client; nothing for an Error, which ends the stream in another way.
    void add(GenerationEvent event, std::string& out);

    // What fills silence: clients want message_start before any other event, so only a comment may come before it.
    [[nodiscard]] std::string_view keep_alive() const;

  private:
    enum class Block : std::uint8_t { none, thinking, text, call };

    void begin(std::string& out);
    void add_delta(const ReplyDelta& delta, std::string& out);
    void add_call(const ToolCallDelta& call, std::string& out);
    void open(Block kind, std::string_view content_block, std::string& out);
    void close(std::string& out);
    void append_delta(std::string_view type, std::string_view field, std::string_view text, std::string& out) const;
    void finish(std::string& out);

    AnswerHead head_;
    SingleReply reply_{};
    bool started_ = false;
    Block block_ = Block::none;    // that is open
    std::uint32_t index_ = 0;      // of the open block, or of the next one
    std::string thinking_{};       // all of it, to be signed
    std::uint32_t calls_ = 0;      // announced so far
};

}  // namespace weft::api::anthropic
