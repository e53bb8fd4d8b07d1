#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/single_reply.h"
#include "services/responses/response_store.h"

namespace weft::api::openai {

struct ResponseHead {
    std::string id;
    std::int64_t created = 0;
    std::string echo;  // what the response repeats of the request: ,"instructions":...
    bool logprobs = false;
    bool encrypted_reasoning = false;
    std::set<std::string> custom_tools{};
    std::function<std::string(std::string_view prefix)> new_id;
    std::function<std::int64_t()> unix_time;
};

// Turns the events of one generation into the items of a response and, when streamed, into its server-sent events, which
// strict clients check one by one: an item is added, its part is added, text comes in deltas, text, part and item are
// done; then the next item.
class ResponseWriter {
  public:
    ResponseWriter(ResponseHead head, bool streams) : head_(std::move(head)), streams_(streams) {}

    // Before the first event.
    void use(ReplyRules rules) { reply_.use(std::move(rules)); }

    // Appends the events for the client; nothing for an Error.
    void add(GenerationEvent event, std::string& out);
    // The events that end a stream whose generation failed.
    void fail(const Error& error, std::string& out);

    // After the last event: the response as a JSON object, and its items.
    [[nodiscard]] bool finished() const { return finished_; }
    [[nodiscard]] std::string object() const;
    [[nodiscard]] const std::vector<StoredItem>& output() const { return output_; }

  private:
    enum class Kind : std::uint8_t { none, reasoning, message, function_call, custom_call };

    // The item that is being written.
    struct Item {
        Kind kind = Kind::none;
        std::string id{};
        std::string text{};      // thinking, content or arguments so far
        std::string call_id{};
        std::string name{};
        std::vector<TokenLogprob> logprobs{};
    };

    void begin(std::string& out);
    void add_delta(const ReplyDelta& delta, std::string& out);
    void add_call(const ToolCallDelta& call, std::string& out);
    void open(Item item, std::string& out);
    void close(std::string_view status, std::string& out);
    void close_reasoning(std::string& out);
    void close_message(std::string& out);
    void close_call(std::string& out);
    void finish(std::string& out);

    // An event of the open item: its id and index come first.
    void emit_of_item(std::string_view type, std::string_view fields, std::string& out);
    void emit_item(std::string_view type, std::string_view item_json, std::string& out);
    void emit(std::string_view type, std::string_view fields, std::string& out);

    [[nodiscard]] std::string item_json(std::string_view status, bool complete) const;
    [[nodiscard]] std::string part_json(std::string_view text) const;
    [[nodiscard]] std::string custom_input() const;

    ResponseHead head_;
    bool streams_;
    SingleReply reply_{};
    std::uint64_t sequence_ = 0;
    bool started_ = false;
    bool finished_ = false;
    std::string_view status_ = "in_progress";
    std::string error_ = "null";
    std::int64_t completed_at_ = 0;
    Item item_{};
    std::uint32_t calls_ = 0;  // announced so far
    std::vector<StoredItem> output_{};
};

}  // namespace weft::api::openai
