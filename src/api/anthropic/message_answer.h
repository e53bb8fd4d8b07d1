#pragma once

#include <string>
#include <string_view>

#include "api/single_reply.h"

// Pieces of JSON text that the answer is made of, and the answer that is not streamed.
namespace weft::api::anthropic {

struct AnswerHead {
    std::string id;
    std::string model;  // as the client wrote it
    bool show_thinking = true;
    std::uint64_t max_tokens = 0;
};

// {"id":...,"model":"...", without "content" and what follows.
[[nodiscard]] std::string message_prefix(const AnswerHead& head);

// "stop_reason":...,"stop_sequence":...,"stop_details":null,"container":null
void append_stop(std::string& out, const AnswerHead& head, const SingleReply& reply, bool has_calls);

// The prompt is split into what came from the cache and what did not.
struct Usage {
    std::uint32_t prompt_tokens = 0;
    std::uint32_t cached_tokens = 0;
    std::uint32_t output_tokens = 0;
    std::uint32_t thinking_tokens = 0;
};
[[nodiscard]] Usage usage_of(const SingleReply& reply);

// The whole object, as in a message.
void append_usage(std::string& out, const Usage& usage);

// Collects the events of a generation into a message that is not streamed.
class MessageAnswer {
  public:
    explicit MessageAnswer(AnswerHead head) : head_(std::move(head)) {}

    // Before the first event.
    void use(ReplyRules rules) { reply_.use(std::move(rules)); }
    void add(GenerationEvent event) { whole_.add(reply_.add(std::move(event))); }
    // After the last event.
    [[nodiscard]] std::string body() const;

  private:
    AnswerHead head_;
    SingleReply reply_{};
    WholeReply whole_{};
};

}  // namespace weft::api::anthropic
