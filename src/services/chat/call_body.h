#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runner/reply_format.h"
#include "services/chat/offered_tools.h"

namespace weft {

// A call as it was read; arguments_json is compact JSON text of an object.
struct ReadCall {
    std::string name;
    std::string arguments_json;
};

// A call whose arguments are being written.
struct BegunCall {
    std::string name;
    std::size_t told = 0;  // bytes of its arguments that were taken by take_early()
    bool complete = false;
};

// What follows the word that opens a call, in one family's notation. Gets the text byte by byte and finds the end by
// itself; looks at each byte a bounded number of times.
class CallBody {
  public:
    enum class State : std::uint8_t {
        more,
        complete,  // the byte was the last of it
        broken,    // this is no call; the byte is not part of it
    };
    virtual ~CallBody() = default;
    virtual State feed(char c) = 0;
    // At the end of the reply: whether what came can stand as it is.
    virtual bool finish() { return false; }
    // The calls in a body that is complete, in their order. Empty when it does not read as calls at all.
    [[nodiscard]] virtual std::vector<ReadCall> calls() const = 0;
    // What the last byte adds to the arguments of a call that has begun and is told early: the call, and more of its
    // arguments. Null while there is none, and in notations that write arguments in another form than JSON. Calls come
    // here in the order of calls(), its first ones.
    virtual const BegunCall* take_early(std::string& arguments) {
        (void)arguments;
        return nullptr;
    }
    // A complete body that is the head of a message to the reader: it is no call, and no text either.
    [[nodiscard]] virtual bool addresses_reader() const { return false; }
    // Everything that was fed and taken.
    [[nodiscard]] const std::string& raw() const { return raw_; }

  protected:
    std::string raw_;
};

inline constexpr std::size_t max_call_header_bytes = 512;    // name and decoration before the arguments
inline constexpr std::size_t max_call_bytes = 16UL << 20U;
inline constexpr std::size_t max_calls_per_reply = 128;

// `opener`: the word that was found, one of call_openers(), or nothing. Borrows the tools.
[[nodiscard]] std::unique_ptr<CallBody> make_call_body(CallStyle style, std::string_view opener, const OfferedTools& tools);

// ---- the makers, by kind of notation ----

// JSON, with or without a name before it.
[[nodiscard]] std::unique_ptr<CallBody> make_json_body(CallStyle style, std::string_view opener);
// A recipient's name on a line of its own, then JSON for a function or text for the reader.
[[nodiscard]] std::unique_ptr<CallBody> make_recipient_body(const OfferedTools& tools);
// Values as bare text between tags.
[[nodiscard]] std::unique_ptr<CallBody> make_tagged_body(CallStyle style, const OfferedTools& tools);
// name(key=value) and name{key:value}
[[nodiscard]] std::unique_ptr<CallBody> make_literal_body(CallStyle style);

// The calls in one JSON value: an object with a name and arguments, or a list of them.
[[nodiscard]] std::vector<ReadCall> calls_in_json(std::string_view json);
// Arguments that are an object, absent, or an object written inside a string; nothing otherwise.
[[nodiscard]] std::string arguments_of(std::string_view value);

}  // namespace weft
