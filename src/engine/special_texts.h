#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runner/generation.h"

namespace weft {

// Marks in a rendered prompt, which no text of a client contains: noncharacters of Unicode.
// Between the parts of what a client wrote like a special token: it is no such token.
inline constexpr std::string_view special_break = "\xEF\xB7\x90";  // U+FDD0
// An image: its number in the request stands between two of these.
inline constexpr std::string_view image_mark = "\xEF\xB7\x91";     // U+FDD1

// The texts of a vocabulary's special tokens, found in what clients write: "<|im_end|>" in a message is these ten
// characters, only in the template is it the end of a turn. Constant; any thread.
class SpecialTexts {
  public:
    explicit SpecialTexts(const std::vector<std::string>& texts);

    // The text with a break inside each special token's text, and without marks of its own. Linear in the text.
    // `harmless` may stay as they are.
    [[nodiscard]] std::string broken(std::string_view text, const std::vector<std::string>& harmless = {}) const;

    // The same for the strings inside JSON, whose escapes may hide them. What is no JSON is broken as text.
    [[nodiscard]] std::string broken_json(const std::string& json) const;

  private:
    // Length of the longest special text that begins here; 0 when none does.
    [[nodiscard]] std::size_t match(std::string_view text) const;

    // A tree of characters: from node and byte to node.
    std::unordered_map<std::uint64_t, std::uint32_t> steps_;
    std::vector<bool> ends_;  // by node: a text ends here
};

// What clients wrote in this prompt, with breaks, and with a mark where an image stands. In the model's own turns the tags
// of its thinking may stay: templates look for them there.
[[nodiscard]] ChatPrompt marked(ChatPrompt prompt, const SpecialTexts& specials, const std::vector<std::string>& thinking_tags);

// Without marks, for people: an image is "<__media__>".
[[nodiscard]] std::string unmarked(std::string_view text);

}  // namespace weft
