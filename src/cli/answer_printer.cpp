#include "cli/answer_printer.h"

#include <chrono>
#include <cstdio>

#include "base/formatted.h"
#include "cli/format.h"
#include "cli/text_width.h"

namespace weft::cli {

void AnswerPrinter::add(const ChatPiece& piece) {
    if (!piece.thinking.empty() && style_.show_thinking) add_thinking(piece.thinking);
    if (!piece.content.empty()) add_content(piece.content);
}

void AnswerPrinter::finish() {
    end_thinking();
    if (!at_line_start_) print("\n");
    at_line_start_ = true;
}

void AnswerPrinter::add_thinking(std::string_view text) {
    if (!thinking_) {
        thinking_ = true;
        show("Thinking...\n");
        if (terminal_.output && terminal_.colors) print("\x1b[2m");
    }
    show(text);
}

void AnswerPrinter::end_thinking() {
    if (!thinking_) return;
    thinking_ = false;
    if (terminal_.output && terminal_.colors) print("\x1b[0m");
    show(at_line_start_ ? "...done thinking.\n\n" : "\n...done thinking.\n\n");
}

void AnswerPrinter::add_content(std::string_view text) {
    end_thinking();
    content_ += text;
    show(text);
}

void AnswerPrinter::show(std::string_view text) {
    const std::string shown = terminal_.output ? wrap_.feed(without_controls(text)) : std::string(text);
    if (shown.empty()) return;
    at_line_start_ = shown.ends_with('\n');
    print(shown);
}

void print_statistics(const ChatPiece& last) {
    const auto line = [](std::string_view name, const std::string& value) {
        std::fputs(formatted("{:<22}{}\n", name, value).c_str(), stderr);
    };
    const auto span = [](std::int64_t nanoseconds) { return human_duration(std::chrono::nanoseconds(nanoseconds)); };
    const auto rate = [](std::int64_t count, std::int64_t nanoseconds) {
        if (nanoseconds <= 0) return std::string("-");
        return formatted("{:.2f} tokens/s", static_cast<double>(count) * 1e9 / static_cast<double>(nanoseconds));
    };
    line("total duration:", span(last.total_duration));
    line("load duration:", span(last.load_duration));
    line("prompt eval count:", formatted("{} token(s)", last.prompt_eval_count));
    line("prompt eval duration:", span(last.prompt_eval_duration));
    line("prompt eval rate:", rate(last.prompt_eval_count, last.prompt_eval_duration));
    line("eval count:", formatted("{} token(s)", last.eval_count));
    line("eval duration:", span(last.eval_duration));
    line("eval rate:", rate(last.eval_count, last.eval_duration));
}

}  // namespace weft::cli
