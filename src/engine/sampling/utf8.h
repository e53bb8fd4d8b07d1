#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weft {

// Makes whole UTF-8 of bytes that arrive in pieces of any size: tokens need not end where characters do. A character
// that is not complete yet is held back (at most 3 bytes). Bytes that cannot become a character are replaced by U+FFFD,
// one for each maximal subpart, as the WHATWG Encoding Standard's decoder does. Thread: one at a time.
class Utf8Assembler {
  public:
    // What is whole now, the bytes held back before included.
    [[nodiscard]] std::string feed(std::string_view bytes);
    // At the end of the text: U+FFFD if a character was left incomplete, else nothing. Ready for a new text then.
    [[nodiscard]] std::string finish();
    [[nodiscard]] std::size_t held_back() const { return pending_.size(); }

  private:
    void feed_byte(unsigned char byte, std::string& out);
    void begin(unsigned char byte, std::string& out);

    std::string pending_;          // the first bytes of a character, all valid so far
    std::uint8_t missing_ = 0;     // bytes that it still needs
    unsigned char lowest_ = 0x80;  // range of its next byte
    unsigned char highest_ = 0xBF;
};

// Valid UTF-8 that does not end inside a character.
[[nodiscard]] bool is_whole_utf8(std::string_view text);

}  // namespace weft
