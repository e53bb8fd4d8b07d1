#pragma once

#include <functional>
#include <string>
#include <vector>

#include "api/json_reader.h"
#include "runner/generation.h"
#include "services/responses/response_store.h"

namespace weft::api::openai {

inline constexpr std::size_t max_input_items = 100'000;

// Reads the items of a conversation, one after the other, into turns: messages, calls and their results, reasoning.
// Consecutive items of the assistant are one turn; items of other types are skipped. Errors name the field.
class ItemReader {
  public:
    explicit ItemReader(ResponseStore& store) : store_(store) {}

    [[nodiscard]] Result<void> read(const JsonReader& item);
    [[nodiscard]] std::vector<ChatMessage> take();

  private:
    Result<void> read_message(const JsonReader& item);
    Result<void> read_call(const JsonReader& item, bool custom);
    Result<void> read_call_output(const JsonReader& item);
    Result<void> read_reasoning(const JsonReader& item);
    Result<void> read_reference(const JsonReader& item);
    ChatMessage& assistant_turn();

    ResponseStore& store_;
    std::vector<ChatMessage> turns_{};
    std::string thinking_{};  // for the assistant's turn that comes next
};

// The request's `input` (a string or items) through the reader, and as it is to be stored: with ids, references replaced
// by what they refer to.
[[nodiscard]] Result<std::vector<StoredItem>> read_input(const JsonReader& input, ItemReader& reader,
                                                         ResponseStore& store,
                                                         const std::function<std::string(std::string_view)>& new_id);

// The conversation that ended with that response; invalid_request when it is not stored (any more).
[[nodiscard]] Result<void> read_previous(const JsonReader& previous_response_id, ItemReader& reader,
                                         ResponseStore& store);

}  // namespace weft::api::openai
