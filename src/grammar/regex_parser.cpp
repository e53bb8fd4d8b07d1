#include "grammar/regex_parser.h"

#include <algorithm>

namespace weft {
namespace {

using RegexNode = Regex::Node;
using RegexNodePtr = std::shared_ptr<RegexNode>;

const CodePointSet digits{{U'0', U'9'}};
const CodePointSet word{{U'0', U'9'}, {U'A', U'Z'}, {U'_', U'_'}, {U'a', U'z'}};
const CodePointSet space{{U'\t', U'\r'}, {U' ', U' '}};
const CodePointSet line_ends{{U'\n', U'\n'}, {U'\r', U'\r'}, {0x2028, 0x2029}};

std::unexpected<Error> broken(std::string message) {
    return fail(ErrorCode::invalid_request, "the regular expression " + std::move(message));
}

std::unexpected<Error> unknown(std::string_view what) {
    return broken("uses " + std::string(what) + ", which a grammar cannot express");
}

RegexNodePtr make(RegexNode node) { return std::make_shared<RegexNode>(std::move(node)); }
RegexNodePtr characters(CodePointSet set) { return make({.kind = RegexNode::Kind::characters, .characters = std::move(set)}); }

// Recursive descent; depth_ bounds the recursion.
class Parser {
  public:
    explicit Parser(std::string_view text) : text_(text) {}

    Result<RegexNodePtr> parse() {
        WEFT_TRY(auto node, choice());
        if (!at_end()) return broken("has a ')' too many");
        return node;
    }

  private:
    [[nodiscard]] bool at_end() const { return at_ >= text_.size(); }
    [[nodiscard]] char peek(std::size_t ahead = 0) const {
        return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
    }
    bool take(std::string_view word) {
        if (!text_.substr(at_).starts_with(word)) return false;
        at_ += word.size();
        return true;
    }

    Result<RegexNodePtr> choice() {
        if (++depth_ > max_pattern_depth) return broken("is nested too deeply");
        RegexNode node{.kind = RegexNode::Kind::choice};
        do {
            WEFT_TRY(auto branch, sequence());
            node.parts.push_back(std::move(branch));
        } while (take("|"));
        --depth_;
        return node.parts.size() == 1 ? node.parts.front() : make(std::move(node));
    }

    Result<RegexNodePtr> sequence() {
        RegexNode node{.kind = RegexNode::Kind::sequence};
        while (!at_end() && peek() != '|' && peek() != ')') {
            WEFT_TRY(auto atom, this->atom());
            WEFT_TRY(auto repeated, quantified(std::move(atom)));
            node.parts.push_back(std::move(repeated));
        }
        return make(std::move(node));
    }

    Result<RegexNodePtr> atom() {
        if (take("^")) return make({.kind = RegexNode::Kind::begin});
        if (take("$")) return make({.kind = RegexNode::Kind::end});
        if (take("(")) return group();
        if (take("[")) return bracket();
        if (take(".")) return characters(line_ends.complement());
        if (take("\\")) return escape();
        if (peek() == '*' || peek() == '+' || peek() == '?') return broken("has a quantifier with nothing before it");
        WEFT_TRY(const auto c, code_point());
        return characters({{c, c}});
    }

    Result<RegexNodePtr> group() {
        if (take("?")) {
            if (take("=") || take("!")) return unknown("look-ahead");
            if (take("<=") || take("<!")) return unknown("look-behind");
            if (take("P<") || take("<")) {
                const auto close = text_.find('>', at_);
                if (close == std::string_view::npos) return broken("has a group name without an end");
                at_ = close + 1;
            } else if (!take(":")) {
                return unknown("'(?" + std::string(1, peek()) + "'");
            }
        }
        WEFT_TRY(auto node, choice());
        if (!take(")")) return broken("has a '(' without its ')'");
        return node;
    }

    Result<RegexNodePtr> escape() {
        if (at_end()) return broken("ends with a backslash");
        WEFT_TRY(auto set, escaped_set());
        return characters(std::move(set));
    }

    // What stands behind a backslash, inside and outside of brackets.
    Result<CodePointSet> escaped_set() {
        const char c = text_[at_];
        if (c >= '1' && c <= '9') return unknown("a back reference");
        switch (c) {
            case 'd': ++at_; return digits;
            case 'D': ++at_; return digits.complement();
            case 'w': ++at_; return word;
            case 'W': ++at_; return word.complement();
            case 's': ++at_; return space;
            case 'S': ++at_; return space.complement();
            case 'b': case 'B': case 'A': case 'Z': case 'z': return unknown(std::string("'\\") + c + "'");
            case 'p': case 'P': return unknown("a Unicode property");
            case 'k': return unknown("a back reference");
            default: break;
        }
        WEFT_TRY(const auto single, escaped_character());
        return CodePointSet{{single, single}};
    }

    Result<char32_t> escaped_character() {
        switch (const char c = text_[at_]) {
            case 'n': ++at_; return U'\n';
            case 'r': ++at_; return U'\r';
            case 't': ++at_; return U'\t';
            case 'f': ++at_; return U'\f';
            case 'v': ++at_; return U'\v';
            case '0': ++at_; return U'\0';
            case 'x': ++at_; return hex(2);
            case 'u': ++at_; return take("{") ? braced_hex() : hex(4);
            case 'c': return unknown("a control escape");
            default:
                if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return unknown(std::string("'\\") + c + "'");
                return code_point();
        }
    }

    Result<char32_t> hex(std::size_t n) {
        const auto word = text_.substr(at_, n);
        if (word.size() < n) return broken("has an escape without its digits");
        char32_t value = 0;
        for (const char c : word) {
            const int digit = c >= '0' && c <= '9'   ? c - '0'
                              : c >= 'a' && c <= 'f' ? c - 'a' + 10
                              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                     : -1;
            if (digit < 0) return broken("has an escape without its digits");
            value = value * 16 + static_cast<char32_t>(digit);
        }
        at_ += n;
        if (value > last_code_point) return broken("names a character that does not exist");
        return value;
    }

    Result<char32_t> braced_hex() {
        const auto close = text_.find('}', at_);
        if (close == std::string_view::npos || close == at_ || close - at_ > 6) return broken("has a broken \\u{..}");
        WEFT_TRY(const auto value, hex(close - at_));
        ++at_;
        return value;
    }

    // One character of UTF-8; the text is valid UTF-8 or the byte stands for itself.
    Result<char32_t> code_point() {
        const auto byte = static_cast<unsigned char>(text_[at_]);
        const std::size_t n = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
        if (byte >= 0x80 && (byte < 0xC2 || byte > 0xF4 || at_ + n > text_.size())) return broken("is not valid UTF-8");
        char32_t value = n == 1 ? byte : byte & (0x7FU >> n);
        for (std::size_t i = 1; i < n; ++i) {
            const auto next = static_cast<unsigned char>(text_[at_ + i]);
            if ((next & 0xC0U) != 0x80U) return broken("is not valid UTF-8");
            value = (value << 6U) | (next & 0x3FU);
        }
        at_ += n;
        return value;
    }

    Result<RegexNodePtr> bracket() {
        const bool negated = take("^");
        CodePointSet set;
        bool first = true;
        for (; first || peek() != ']'; first = false) {
            if (at_end()) return broken("has a '[' without its ']'");
            if (first && peek() == ']') break;  // "[]" matches nothing, "[^]" everything
            if (text_.substr(at_).starts_with("[:")) return unknown("a POSIX class");
            WEFT_CHECK(bracket_item(set));
        }
        ++at_;
        if (negated) set = set.complement();
        if (set.empty()) return broken("has a class without members");
        return characters(std::move(set));
    }

    Result<void> bracket_item(CodePointSet& set) {
        WEFT_TRY(const auto from, bracket_set());
        const bool range = peek() == '-' && peek(1) != ']' && peek(1) != '\0';
        if (!range || from.size() != 1) {
            set.add(from);
            return {};
        }
        ++at_;
        WEFT_TRY(const auto to, bracket_set());
        const auto first = from.ranges().front().first;
        if (to.size() != 1 || to.ranges().front().first < first) return broken("has a range that ends before it begins");
        set.add({first, to.ranges().front().first});
        return {};
    }

    Result<CodePointSet> bracket_set() {
        if (take("\\")) {
            if (at_end()) return broken("ends with a backslash");
            if (take("b")) return CodePointSet{{U'\b', U'\b'}};
            return escaped_set();
        }
        WEFT_TRY(const auto c, code_point());
        return CodePointSet{{c, c}};
    }

    Result<RegexNodePtr> quantified(RegexNodePtr atom) {
        std::uint32_t least = 0;
        std::uint32_t most = unbounded;
        if (take("*")) {
        } else if (take("+")) {
            least = 1;
        } else if (take("?")) {
            most = 1;
        } else if (peek() == '{' && peek(1) >= '0' && peek(1) <= '9') {
            WEFT_CHECK(braces(least, most));
        } else {
            return atom;
        }
        if (take("+")) return unknown("a possessive quantifier");
        take("?");  // lazy: the same texts
        if (peek() == '*' || peek() == '+' || peek() == '?') return broken("has a quantifier behind a quantifier");
        if (atom->kind == RegexNode::Kind::begin || atom->kind == RegexNode::Kind::end) return broken("repeats an anchor");
        return make({.kind = RegexNode::Kind::repeat, .parts = {std::move(atom)}, .least = least, .most = most});
    }

    Result<void> braces(std::uint32_t& least, std::uint32_t& most) {
        ++at_;
        WEFT_TRY(least, count());
        most = least;
        if (take(",")) {
            most = unbounded;
            if (peek() != '}') {
                WEFT_TRY(most, count());
            }
        }
        if (!take("}")) return broken("has a '{' without its '}'");
        if (most < least) return broken("has a repetition that ends before it begins");
        return {};
    }

    Result<std::uint32_t> count() {
        std::uint32_t value = 0;
        if (peek() < '0' || peek() > '9') return broken("has a '{' without a number");
        for (; peek() >= '0' && peek() <= '9'; ++at_) {
            value = value * 10 + static_cast<std::uint32_t>(peek() - '0');
            if (value > max_pattern_repeats)
                return broken("repeats something more than " + std::to_string(max_pattern_repeats) + " times");
        }
        return value;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    int depth_ = 0;
};

}  // namespace

Result<std::shared_ptr<Regex::Node>> parse_regex(std::string_view pattern) {
    if (pattern.size() > max_pattern_bytes)
        return broken("has more than " + std::to_string(max_pattern_bytes) + " bytes");
    return Parser(pattern).parse();
}

}  // namespace weft
