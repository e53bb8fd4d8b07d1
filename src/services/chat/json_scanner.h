#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft {

// Reads one JSON object or array that arrives byte by byte, and knows the byte that ends it or that makes it no JSON
// (RFC 8259, surrogates in pairs, at most max_depth levels). Looks at each byte once. Thread: one at a time.
class JsonScanner {
  public:
    enum class State : std::uint8_t { more, complete, broken };
    static constexpr std::size_t max_depth = 64;
    static constexpr std::size_t max_scalar_bytes = 512;  // of a number or literal

    // Nothing may be fed once it is complete or broken. The byte that breaks it is not part of the value.
    State feed(char c);

    // The value so far, white space between its parts left out.
    [[nodiscard]] const std::string& text() const { return text_; }
    [[nodiscard]] bool started() const { return !text_.empty(); }
    // Objects and arrays that are open.
    [[nodiscard]] std::size_t depth() const { return open_.size(); }

  private:
    enum class Expect : std::uint8_t { value, value_or_end, key, key_or_end, colon, comma_or_end };

    State structure(char c);
    State begin_value(char c);
    State close(char c, char opener);
    State in_string(char c);
    State escaped(char c);
    State unicode_digit(char c);
    State in_scalar(char c);
    State value_ended();

    std::string text_;
    std::vector<char> open_;  // '{' or '['
    Expect expect_ = Expect::value;
    bool string_ = false;
    bool key_ = false;              // the string is a member's name
    bool escape_ = false;
    std::uint8_t unicode_left_ = 0;  // hex digits that are still to come
    std::uint16_t unicode_ = 0;
    enum class Pair : std::uint8_t { none, wants_backslash, wants_u, wants_low } pair_ = Pair::none;
    std::size_t scalar_begin_ = std::string::npos;
};

// ---- parts of JSON text that a scanner has found valid and stripped of white space ----

// Name (decoded) and value text of each member; empty for anything but an object. Spans borrow.
[[nodiscard]] std::vector<std::pair<std::string, std::string_view>> members_of(std::string_view object);
[[nodiscard]] std::vector<std::string_view> elements_of(std::string_view array);
// The decoded text of a string value; empty for anything else.
[[nodiscard]] std::string string_of(std::string_view value);
[[nodiscard]] std::string json_string(std::string_view text);
// The text as compact JSON if all of it is one valid value (scalars too), else nothing.
[[nodiscard]] std::string compact_json(std::string_view text);

}  // namespace weft
