#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace weft::cli {

// Wraps a streamed text at blanks, as wide as a terminal. What came in is shown at once: when a word turns out too long
// for its line, the output takes it back (cursor left, erase) and puts it on the next one. CJK breaks anywhere.
class WordWrap {
  public:
    // columns: of the terminal; 0 does not wrap. The last column stays free, because cursor movements start differently
    // there from terminal to terminal.
    explicit WordWrap(std::size_t columns) : limit_(columns > 2 ? columns - 1 : 0) {}

    // What to print for this piece of text. Pieces may end inside of a code point.
    [[nodiscard]] std::string feed(std::string_view text);

    [[nodiscard]] std::size_t column() const { return column_; }

  private:
    void add_blank(std::string& out);
    void add_part(std::string_view bytes, std::size_t width, std::string& out);
    void break_line(std::string& out);
    void move_word_to_next_line(std::string& out);

    std::size_t limit_;            // columns in use; 0 = do not wrap
    std::size_t column_ = 0;
    std::string word_;             // the unbroken text up to the cursor
    std::size_t word_width_ = 0;
    std::string incomplete_;       // first bytes of a code point
};

}  // namespace weft::cli
