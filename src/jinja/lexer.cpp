#include <algorithm>
#include <charconv>

#include "jinja/string_literal.h"
#include "base/formatted.h"
#include "jinja/token.h"
#include "jinja/unicode.h"

namespace weft::jinja {

namespace {

bool is_name_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || (c & 0x80); }
bool is_name_part(char c) { return is_name_start(c) || is_decimal(c); }

std::string with_unix_newlines(std::string_view source) {
    std::string text;
    text.reserve(source.size());
    for (std::size_t i = 0; i < source.size(); ++i) {
        if (source[i] != '\r') text += source[i];
        else if (i + 1 == source.size() || source[i + 1] != '\n') text += '\n';
    }
    if (text.ends_with('\n')) text.pop_back();  // keep_trailing_newline is false
    return text;
}

// "-", "+" or nothing, right behind an opening delimiter or right before a closing one.
enum class Trim : std::uint8_t { by_default, all, nothing };

Trim trim_of(char sign) {
    if (sign == '-') return Trim::all;
    return sign == '+' ? Trim::nothing : Trim::by_default;
}

class Lexer {
  public:
    explicit Lexer(std::string_view source) : source_(source) {}

    Parsed<std::vector<Token>> run() {
        while (at_ < source_.size()) WEFT_CHECK(lex_data_and_tag());
        push(TokenType::end_of_template);
        return std::move(tokens_);
    }

  private:
    using Step = Parsed<void>;

    std::unexpected<SyntaxError> broken(std::string message) const {
        return std::unexpected(SyntaxError{std::move(message), line_});
    }

    void push(TokenType type, std::string text = {}) { tokens_.push_back({type, std::move(text), {}, line_}); }

    void move_to(std::size_t position) {
        line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                             source_.begin() + static_cast<std::ptrdiff_t>(position), '\n'));
        at_ = position;
    }

    char peek(std::size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }

    std::size_t find_tag(std::size_t from) const {
        for (std::size_t i = from; i + 1 < source_.size(); ++i)
            if (source_[i] == '{' && (source_[i + 1] == '{' || source_[i + 1] == '%' || source_[i + 1] == '#')) return i;
        return source_.size();
    }

    Step lex_data_and_tag() {
        const std::size_t start = at_, tag = find_tag(at_);
        if (tag == source_.size()) {
            push_data(source_.substr(start));
            move_to(tag);
            return {};
        }
        const char kind = source_[tag + 1];
        const Trim trim = trim_of(tag + 2 < source_.size() ? source_[tag + 2] : '\0');
        push_data(text_before(start, tag, trim, kind != '{'));
        move_to(tag + (trim == Trim::by_default ? 2 : 3));
        if (kind == '#') return skip_comment();
        if (kind == '%' && is_raw_tag()) return lex_raw();
        push(kind == '{' ? TokenType::print_begin : TokenType::block_begin);
        return lex_inside_tag(kind == '{');
    }

    void push_data(std::string_view text) {
        if (!text.empty()) push(TokenType::data, std::string(text));
    }

    // The text from start to a tag, less what the tag's sign or lstrip_blocks takes off its end.
    std::string_view text_before(std::size_t start, std::size_t tag, Trim trim, bool may_strip_line) const {
        const auto text = source_.substr(start, tag - start);
        if (trim == Trim::all) return text.substr(0, end_without_space(text));
        if (trim == Trim::nothing || !may_strip_line) return text;
        const auto newline = text.rfind('\n');
        const std::size_t line_start = newline == text.npos ? 0 : newline + 1;
        const bool at_line_start = line_start > 0 || start == 0 || source_[start - 1] == '\n';
        return at_line_start && end_without_space(text) <= line_start ? text.substr(0, line_start) : text;
    }

    static std::size_t end_without_space(std::string_view text) {
        std::size_t end = 0;
        for (std::size_t at = 0; at < text.size();)
            if (!is_space(decode_utf8(text, at))) end = at;
        return end;
    }

    // Behind a closing delimiter: a - eats all whitespace, otherwise a tag that is no {{ }} eats one newline.
    void trim_after(Trim trim, bool eats_newline) {
        std::size_t end = at_;
        if (trim == Trim::all) {
            for (std::size_t next = end; next < source_.size() && is_space(decode_utf8(source_, next));) end = next;
        } else if (trim == Trim::by_default && eats_newline && peek() == '\n') {
            ++end;
        }
        move_to(end);
    }

    Step skip_comment() {
        const std::size_t end = source_.find("#}", at_);
        if (end == source_.npos) return broken("Missing end of comment tag");
        const Trim trim = end > at_ ? trim_of(source_[end - 1]) : Trim::by_default;
        move_to(end + 2);
        trim_after(trim, true);
        return {};
    }

    std::size_t skip_spaces(std::size_t position) const {
        while (position < source_.size() && is_space(static_cast<unsigned char>(source_[position]))) ++position;
        return position;
    }

    // Where "WORD %}" that starts at position ends, npos when it is something else; sets the sign before %}.
    std::size_t end_of_word_tag(std::size_t position, std::string_view word, Trim& trim) const {
        position = skip_spaces(position);
        if (!source_.substr(position).starts_with(word)) return source_.npos;
        position = skip_spaces(position + word.size());
        trim = position < source_.size() ? trim_of(source_[position]) : Trim::by_default;
        if (trim != Trim::by_default) ++position;
        return source_.substr(position).starts_with("%}") ? position + 2 : source_.npos;
    }

    bool is_raw_tag() const {
        Trim trim{};
        return end_of_word_tag(at_, "raw", trim) != source_.npos && trim != Trim::nothing;
    }

    Step lex_raw() {
        Trim trim{};
        move_to(end_of_word_tag(at_, "raw", trim));
        trim_after(trim, false);
        for (std::size_t tag = source_.find("{%", at_); tag != source_.npos; tag = source_.find("{%", tag + 1)) {
            const Trim before = trim_of(tag + 2 < source_.size() ? source_[tag + 2] : '\0');
            const std::size_t end = end_of_word_tag(tag + (before == Trim::by_default ? 2 : 3), "endraw", trim);
            if (end == source_.npos) continue;
            push_data(text_before(at_, tag, before, true));
            move_to(end);
            trim_after(trim, true);
            return {};
        }
        return broken("Missing end of raw directive");
    }

    Step lex_inside_tag(bool print) {
        std::string open_brackets;
        while (true) {
            while (at_ < source_.size() && is_space(static_cast<unsigned char>(peek()))) move_to(at_ + 1);
            if (at_ >= source_.size()) return broken("unexpected end of template inside a tag");
            if (open_brackets.empty() && take_tag_end(print)) return {};
            WEFT_CHECK(lex_token(open_brackets));
        }
    }

    Step lex_token(std::string& open_brackets) {
        if (is_decimal(peek())) return lex_number();
        if (is_name_start(peek())) return lex_name();
        if (peek() == '\'' || peek() == '"') return lex_string();
        return lex_symbol(open_brackets);
    }

    bool take_tag_end(bool print) {
        const Trim trim = trim_of(peek());
        if (trim == Trim::nothing && print) return false;
        const std::size_t sign = trim == Trim::by_default ? 0 : 1;
        if (!source_.substr(at_ + sign).starts_with(print ? "}}" : "%}")) return false;
        push(print ? TokenType::print_end : TokenType::block_end);
        move_to(at_ + sign + 2);
        trim_after(trim, !print);
        return true;
    }

    Step lex_name() {
        std::size_t end = at_;
        while (end < source_.size() && is_name_part(source_[end])) ++end;
        push(TokenType::name, std::string(source_.substr(at_, end - at_)));
        move_to(end);
        return {};
    }

    Step lex_string() {
        const char quote = peek();
        std::size_t end = at_ + 1;
        while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
        if (end >= source_.size()) return broken("a string without end");
        auto text = unescape_string_literal(source_.substr(at_ + 1, end - at_ - 1));
        if (!text) return broken(text.error().message());
        push(TokenType::string, std::move(*text));
        move_to(end + 1);
        return {};
    }

    Step lex_number() {
        const NumberLiteral literal = scan_number_literal(source_.substr(at_), at_ > 0 ? source_[at_ - 1] : '\0');
        if (literal.value.is_undefined()) return broken("a number out of range");
        tokens_.push_back({TokenType::number, {}, literal.value, line_});
        move_to(at_ + literal.length);
        return {};
    }

    Step lex_symbol(std::string& open_brackets) {
        static constexpr std::string_view symbols[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~",
                                                       "[",  "]",  "(",  ")",  "{",  "}",  ">", "<", "=", ".", ":", "|",
                                                       ",",  ";"};
        const auto found =
            std::ranges::find_if(symbols, [&](auto symbol) { return source_.substr(at_).starts_with(symbol); });
        if (found == std::end(symbols)) return broken(formatted("unexpected char '{}'", peek()));
        const char c = peek();
        if (c == '(' || c == '[' || c == '{') open_brackets += c == '(' ? ')' : c == '[' ? ']' : '}';
        if (c == ')' || c == ']' || c == '}') {
            if (open_brackets.empty() || open_brackets.back() != c) return broken(formatted("unexpected '{}'", c));
            open_brackets.pop_back();
        }
        push(TokenType::symbol, std::string(*found));
        move_to(at_ + found->size());
        return {};
    }

    std::string_view source_;
    std::size_t at_ = 0;
    int line_ = 1;
    std::vector<Token> tokens_;
};

}  // namespace

Parsed<std::vector<Token>> tokenize(std::string_view source) {
    const std::string text = with_unix_newlines(source);
    return Lexer(text).run();
}

std::string describe(const Token& token) {
    switch (token.type) {
        case TokenType::data: return "template text";
        case TokenType::print_begin: return "'{{'";
        case TokenType::print_end: return "'}}'";
        case TokenType::block_begin: return "'{%'";
        case TokenType::block_end: return "end of statement block";
        case TokenType::number: return "a number";
        case TokenType::string: return "a string";
        case TokenType::end_of_template: return "end of template";
        default: return formatted("'{}'", token.text);
    }
}

}  // namespace weft::jinja
