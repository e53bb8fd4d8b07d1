#include "gotemplate/lexer.h"

#include <algorithm>
#include <charconv>

#include "base/formatted.h"
#include "gotemplate/literal.h"

namespace weft::gotemplate {
namespace {

constexpr std::string_view white_space = " \t\r\n";

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return is_letter(c) || is_digit(c); }

class Lexer {
  public:
    explicit Lexer(std::string_view source) : source_(source) {}

    Result<std::vector<Lexeme>> run() {
        while (at_ < source_.size()) {
            lex_text();
            if (at_ >= source_.size()) break;
            WEFT_CHECK(lex_action());
        }
        add(TokenKind::end, at_);
        return std::move(lexemes_);
    }

  private:
    [[nodiscard]] std::string_view rest() const { return source_.substr(at_); }

    Lexeme& add(TokenKind kind, std::size_t from, std::string text = {}) {
        // Lines are counted once from left to right, however many tokens there are.
        line_ += static_cast<std::uint32_t>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(counted_),
                                                       source_.begin() + static_cast<std::ptrdiff_t>(from), '\n'));
        counted_ = from;
        lexemes_.push_back({.kind = kind, .text = std::move(text), .after_space = spaced_, .offset = from, .line = line_});
        spaced_ = false;
        return lexemes_.back();
    }

    std::unexpected<Error> fail_here(std::string_view message) {
        const auto before = source_.substr(0, std::min(at_, source_.size()));
        return fail_at(static_cast<std::uint32_t>(1 + std::ranges::count(before, '\n')), message);
    }

    void lex_text() {
        const auto open = source_.find("{{", at_);
        auto text = source_.substr(at_, open == std::string_view::npos ? open : open - at_);
        const auto from = at_;
        at_ = from + text.size();
        if (std::exchange(trim_next_, false)) {
            const auto first = text.find_first_not_of(white_space);
            text.remove_prefix(first == std::string_view::npos ? text.size() : first);
        }
        const auto after = rest();
        if (after.size() > 3 && after[2] == '-' && white_space.contains(after[3])) {
            const auto last = text.find_last_not_of(white_space);
            text = text.substr(0, last == std::string_view::npos ? 0 : last + 1);
        }
        if (!text.empty()) add(TokenKind::text, from, std::string(text));
    }

    Result<void> lex_action() {
        const auto from = at_;
        at_ += 2;
        if (rest().size() > 1 && rest()[0] == '-' && white_space.contains(rest()[1])) ++at_;
        const auto inside = at_;
        skip_space();
        if (rest().starts_with("/*")) return lex_comment();
        at_ = inside;
        add(TokenKind::open, from);
        for (;;) {
            skip_space();
            if (at_ >= source_.size()) return fail_here("unclosed action");
            if (rest().starts_with("}}") || (spaced_ && rest().starts_with("-}}"))) return lex_close();
            WEFT_CHECK(lex_token());
        }
    }

    Result<void> lex_close() {
        trim_next_ = rest().front() == '-';
        add(TokenKind::close, at_);
        at_ += trim_next_ ? 3 : 2;
        return {};
    }

    Result<void> lex_comment() {
        const auto end = source_.find("*/", at_ + 2);
        if (end == std::string_view::npos) return fail_here("unclosed comment");
        at_ = end + 2;
        spaced_ = false;
        skip_space();
        if (spaced_ && rest().starts_with("-}}")) {
            trim_next_ = true;
            at_ += 3;
        } else if (rest().starts_with("}}") && !spaced_) {
            at_ += 2;
        } else {
            return fail_here("comment ends before closing delimiter");
        }
        spaced_ = false;
        return {};
    }

    void skip_space() {
        while (at_ < source_.size() && white_space.contains(source_[at_])) {
            ++at_;
            spaced_ = true;
        }
    }

    std::string_view take_word() {
        const auto from = at_;
        while (at_ < source_.size() && is_word(source_[at_])) ++at_;
        return source_.substr(from, at_ - from);
    }

    Result<void> lex_token() {
        const char c = source_[at_];
        const char next = at_ + 1 < source_.size() ? source_[at_ + 1] : '\0';
        if (c == '"' || c == '`' || c == '\'') return lex_quoted();
        if (is_digit(c) || ((c == '+' || c == '-' || c == '.') && is_digit(next)) ||
            ((c == '+' || c == '-') && next == '.'))
            return lex_number();
        const auto from = at_;
        if (c == '.') {
            ++at_;
            const auto name = take_word();
            name.empty() ? add(TokenKind::dot, from) : add(TokenKind::field, from, std::string(name));
            return {};
        }
        if (c == '$') {
            ++at_;
            const auto name = take_word();
            add(TokenKind::variable, from, std::string(name));
            return {};
        }
        if (is_letter(c)) {
            const auto name = take_word();
            add(TokenKind::word, from, std::string(name));
            return {};
        }
        return lex_sign(c, next);
    }

    Result<void> lex_sign(char c, char next) {
        const auto from = at_++;
        if (c == '|') add(TokenKind::pipe, from);
        else if (c == '(') add(TokenKind::left, from);
        else if (c == ')') add(TokenKind::right, from);
        else if (c == ',') add(TokenKind::comma, from);
        else if (c == '=') add(TokenKind::assign, from);
        else if (c == ':' && next == '=') {
            ++at_;
            add(TokenKind::declare, from);
        } else {
            return fail_here(formatted("unexpected character '{}' in an action", is_letter(c) || c >= ' ' ? c : '?'));
        }
        return {};
    }

    Result<void> lex_quoted() {
        const auto from = at_;
        const auto literal = read_literal(rest());
        if (!literal) return fail_here(literal.error());
        at_ += literal->length;
        if (rest().empty()) return fail_here("unclosed action");
        auto& lexeme = add(literal->is_character ? TokenKind::integer : TokenKind::string, from, literal->text);
        lexeme.integer = literal->character;
        return {};
    }

    Result<void> lex_number() {
        const auto from = at_;
        const auto number = read_number(rest());
        if (!number) return fail_here(number.error());
        at_ += number->length;
        auto& lexeme = add(number->is_integer ? TokenKind::integer : TokenKind::real, from);
        lexeme.integer = number->integer;
        lexeme.real = number->real;
        return {};
    }

    std::string_view source_;
    std::size_t at_ = 0;
    std::size_t counted_ = 0;
    std::uint32_t line_ = 1;
    bool trim_next_ = false;
    bool spaced_ = false;
    std::vector<Lexeme> lexemes_;
};

}  // namespace

Result<std::vector<Lexeme>> lex(std::string_view source) { return Lexer(source).run(); }

std::unexpected<Error> fail_at(std::uint32_t line, std::string_view message) {
    return fail(ErrorCode::invalid_request, formatted("template error: line {}: {}", line, message));
}

}  // namespace weft::gotemplate
