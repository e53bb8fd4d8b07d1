#pragma once

#include <string>
#include <string_view>

#include "cli/ollama_client.h"
#include "cli/terminal.h"
#include "cli/word_wrap.h"

namespace weft::cli {

// Puts one streamed answer on standard output: thinking dimmed, words wrapped, nothing that could command the terminal.
// Where standard output is no terminal, the text goes out byte for byte.
class AnswerPrinter {
  public:
    struct Style {
        bool word_wrap = true;
        bool show_thinking = true;
    };

    AnswerPrinter(const Terminal& terminal, Style style)
        : terminal_(terminal), style_(style), wrap_(style.word_wrap ? terminal.columns() : 0) {}

    void add(const ChatPiece& piece);
    // Ends the last line and every style. Call once, also after an error.
    void finish();

    [[nodiscard]] const std::string& content() const { return content_; }

  private:
    void add_thinking(std::string_view text);
    void add_content(std::string_view text);
    void end_thinking();
    void show(std::string_view text);

    const Terminal& terminal_;
    Style style_;
    WordWrap wrap_;
    std::string content_;
    bool thinking_ = false;
    bool at_line_start_ = true;
};

// Durations and rates of an answer on standard error, for --verbose.
void print_statistics(const ChatPiece& last);

}  // namespace weft::cli
