#include "cli/word_wrap.h"

#include <utility>

#include "base/formatted.h"
#include "cli/text_width.h"

namespace weft::cli {
namespace {

constexpr std::size_t tab_width = 8;

}  // namespace

std::string WordWrap::feed(std::string_view text) {
    if (limit_ == 0) return std::string(text);
    const std::string joined = std::exchange(incomplete_, {}) + std::string(text);
    std::string_view rest = joined;
    std::string out;
    while (!rest.empty()) {
        const CodePoint next = first_code_point(rest);
        if (next.bytes == 0) {
            incomplete_ = rest;
            break;
        }
        if (next.value == '\n') {
            break_line(out);
        } else if (next.value == '\t') {
            do add_blank(out);
            while (column_ != 0 && column_ % tab_width != 0);
        } else if (next.value == ' ') {
            add_blank(out);
        } else {
            add_part(rest.substr(0, next.bytes), static_cast<std::size_t>(width_of(next.value)), out);
        }
        rest.remove_prefix(next.bytes);
    }
    return out;
}

void WordWrap::add_blank(std::string& out) {
    word_.clear();
    word_width_ = 0;
    if (column_ + 1 > limit_) return break_line(out);  // the line end stands for the blank
    out += ' ';
    ++column_;
}

void WordWrap::add_part(std::string_view bytes, std::size_t width, std::string& out) {
    const bool breaks_anywhere = width == 2;
    if (column_ + width > limit_) {
        if (breaks_anywhere || word_width_ == column_) break_line(out);
        else move_word_to_next_line(out);
    }
    out += bytes;
    column_ += width;
    word_ += bytes;
    word_width_ += width;
    if (breaks_anywhere) {
        word_.clear();
        word_width_ = 0;
    }
}

void WordWrap::break_line(std::string& out) {
    out += '\n';
    column_ = 0;
    word_.clear();
    word_width_ = 0;
}

void WordWrap::move_word_to_next_line(std::string& out) {
    if (word_width_ > 0) out += formatted("\x1b[{}D\x1b[K", word_width_);
    out += '\n';
    out += word_;
    column_ = word_width_;
}

}  // namespace weft::cli
