#include "grammar/grammar.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "base/utf8.h"
#include "grammar/gbnf_builder.h"
#include "grammar/grammar_check.h"

namespace weft {

namespace {

bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

// Recursive descent over the text; groups and repeated items become rules of their own.
class GrammarParser {
  public:
    explicit GrammarParser(std::string_view text) : text_(text) {}

    Result<std::shared_ptr<const Grammar>> parse() {
        if (text_.size() > max_grammar_bytes)
            return fail(ErrorCode::invalid_request, "the grammar has more than " + std::to_string(max_grammar_bytes) + " bytes");
        skip_space(true);
        while (!at_end()) WEFT_CHECK(rule());
        const auto root = names_.find("root");
        if (root == names_.end() || !rules_[root->second].defined)
            return fail(ErrorCode::invalid_request, "the grammar has no rule 'root'");
        WEFT_CHECK(check_rules(rules_, root->second));
        return laid_out(root->second);
    }

  private:
    using Element = Grammar::Element;
    using Kind = Grammar::Kind;
    using Sequence = std::vector<Element>;

    // ---- reading ----

    [[nodiscard]] bool at_end() const { return at_ >= text_.size(); }
    [[nodiscard]] char peek(std::size_t ahead = 0) const {
        return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
    }
    bool take(std::string_view word) {
        if (!text_.substr(at_).starts_with(word)) return false;
        at_ += word.size();
        return true;
    }
    void skip_space(bool lines) {
        while (!at_end()) {
            const char c = peek();
            if (c == '#') {
                while (!at_end() && peek() != '\n' && peek() != '\r') ++at_;
            } else if (c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r'))) {
                ++at_;
            } else {
                return;
            }
        }
    }
    [[nodiscard]] std::unexpected<Error> wrong(std::string_view what) const {
        const auto before = text_.substr(0, at_);
        const auto line = std::ranges::count(before, '\n') + 1;
        const auto column = at_ - (before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1) + 1;
        return fail(ErrorCode::invalid_request, "the grammar is not valid: " + std::string(what) + " (line " +
                                                    std::to_string(line) + ", column " + std::to_string(column) + ")");
    }
    [[nodiscard]] Result<void> check_size() const {
        if (rules_.size() > max_grammar_rules * 4 || n_elements_ > max_grammar_elements)
            return fail(ErrorCode::invalid_request, "the grammar is too large");
        return {};
    }

    std::uint32_t rule_named(const std::string& name) {
        const auto [place, fresh] = names_.try_emplace(name, static_cast<std::uint32_t>(rules_.size()));
        if (fresh) rules_.push_back({.name = name});
        return place->second;
    }

    Result<std::string> name() {
        const auto begin = at_;
        while (is_name_char(peek())) ++at_;
        if (at_ == begin) return wrong("a name is expected");
        return std::string(text_.substr(begin, at_ - begin));
    }

    Result<void> rule() {
        WEFT_TRY(const auto name, this->name());
        skip_space(false);
        if (!take("::=")) return wrong("'::=' is expected");
        skip_space(true);
        const auto index = rule_named(name);
        if (rules_[index].defined) return wrong("the rule '" + name.substr(0, 64) + "' is defined twice");
        rules_[index].defined = true;
        WEFT_TRY(auto alternatives, this->alternatives(false));
        rules_[index].alternatives = std::move(alternatives);
        if (!at_end() && peek() != '\n' && peek() != '\r') return wrong("a new line is expected");
        skip_space(true);
        return {};
    }

    Result<std::vector<Sequence>> alternatives(bool nested) {
        std::vector<Sequence> all;
        do {
            skip_space(nested || !all.empty());
            WEFT_TRY(auto one, sequence(nested));
            all.push_back(std::move(one));
        } while (take("|"));
        return all;
    }

    Result<Sequence> sequence(bool nested) {
        Sequence all;
        for (;;) {
            WEFT_TRY(auto item, this->item());
            if (!item) return all;
            skip_space(nested);
            WEFT_CHECK(repetitions(*item, nested));
            n_elements_ += item->size();
            WEFT_CHECK(check_size());
            all.insert(all.end(), item->begin(), item->end());
        }
    }

    // A literal, class, group or name; nothing where none begins.
    Result<std::optional<Sequence>> item() {
        const char c = peek();
        if (take("\"")) return literal();
        if (take("[")) return bracket();
        if (take(".")) return Sequence{of_class(CodePointSet::all())};
        if (take("(")) return group();
        if (c == '<' || c == '!') return wrong("token references are not supported");
        if (c == '*' || c == '+' || c == '?' || c == '{') return wrong("there is nothing before a repetition");
        if (!is_name_char(c)) return std::nullopt;
        WEFT_TRY(const auto called, name());
        return Sequence{{.kind = Kind::call, .index = rule_named(called)}};
    }

    Result<std::optional<Sequence>> literal() {
        Sequence characters;
        while (!take("\"")) {
            if (at_end()) return wrong("a '\"' is missing");
            WEFT_TRY(const auto c, character());
            append_utf8(literals_, c);
            characters.push_back(of_class({{c, c}}));
            if (characters.back().kind == Kind::end) return wrong("a surrogate is no character");
        }
        literals_ += '\0';
        return characters;
    }

    Result<std::optional<Sequence>> bracket() {
        const bool negated = take("^");
        std::vector<CodePointRange> ranges;
        while (!take("]")) {
            if (at_end()) return wrong("a ']' is missing");
            WEFT_TRY(const auto first, character());
            auto last = first;
            if (peek() == '-' && peek(1) != ']') {
                ++at_;
                if (at_end()) return wrong("a ']' is missing");
                WEFT_TRY(last, character());
                if (last < first) return wrong("a range ends before it begins");
            }
            ranges.push_back({first, last});
        }
        CodePointSet set;
        set.add_all(ranges);
        if (negated) set = set.complement();
        if (set.empty()) return wrong("a class has no members");
        return Sequence{of_class(set)};
    }

    Result<std::optional<Sequence>> group() {
        if (++depth_ > max_grammar_depth) return wrong("it is nested too deeply");
        skip_space(true);
        WEFT_TRY(auto inner, alternatives(true));
        if (!take(")")) return wrong("a ')' is missing");
        --depth_;
        if (inner.size() == 1) return std::move(inner.front());
        return Sequence{{.kind = Kind::call, .index = anonymous(std::move(inner))}};
    }

    std::uint32_t anonymous(std::vector<Sequence> alternatives) {
        rules_.push_back({.name = "(...)", .alternatives = std::move(alternatives), .defined = true});
        return static_cast<std::uint32_t>(rules_.size() - 1);
    }

    Result<void> repetitions(Sequence& item, bool nested) {
        for (;;) {
            std::uint32_t least = 0;
            std::uint32_t most = Grammar::unlimited;
            if (take("*")) {
            } else if (take("+")) {
                least = 1;
            } else if (take("?")) {
                most = 1;
            } else if (take("{")) {
                WEFT_CHECK(braces(least, most));
            } else {
                return {};
            }
            skip_space(nested);
            item = repeated(std::move(item), least, most);
        }
    }

    Sequence repeated(Sequence item, std::uint32_t least, std::uint32_t most) {
        if (item.empty() || most == 0) return {};
        const bool single = item.size() == 1 && item[0].least == 1 && item[0].most == 1;
        if (single && item[0].kind == Kind::characters) return {{Kind::characters, item[0].index, least, most}};
        if (single && item[0].kind == Kind::call) return {{Kind::loop, item[0].index, least, most}};
        return {{Kind::loop, anonymous({std::move(item)}), least, most}};
    }

    Result<void> braces(std::uint32_t& least, std::uint32_t& most) {
        skip_space(false);
        WEFT_TRY(least, count());
        most = least;
        if (take(",")) {
            skip_space(false);
            most = Grammar::unlimited;
            if (is_digit(peek())) {
                WEFT_TRY(most, count());
            }
        }
        if (!take("}")) return wrong("a '}' is missing");
        if (most < least) return wrong("a repetition ends before it begins");
        return {};
    }

    Result<std::uint32_t> count() {
        constexpr std::uint32_t most = 1'000'000'000;
        if (!is_digit(peek())) return wrong("a number is expected");
        std::uint32_t value = 0;
        for (; is_digit(peek()); ++at_) {
            value = value * 10 + static_cast<std::uint32_t>(peek() - '0');
            if (value > most) return wrong("a repetition count is too large");
            if (value > most / 10 && is_digit(peek(1))) return wrong("a repetition count is too large");
        }
        skip_space(false);
        return value;
    }

    Result<char32_t> character() {
        if (!take("\\")) return plain_character();
        const char c = peek();
        if (at_end()) return wrong("an escape is cut off");
        ++at_;
        switch (c) {
            case 'n': return U'\n';
            case 'r': return U'\r';
            case 't': return U'\t';
            case 'x': return hex(2);
            case 'u': return hex(4);
            case 'U': return hex(8);
            case '\\': case '"': case '[': case ']': case '-': case '^': return static_cast<char32_t>(c);
            default: return wrong("an escape is not known");
        }
    }

    Result<char32_t> hex(std::size_t n) {
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < n; ++i, ++at_) {
            const char c = peek();
            const int digit = is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
            if (digit < 0) return wrong("a hexadecimal digit is expected");
            value = value * 16 + static_cast<std::uint64_t>(digit);
        }
        if (value > last_code_point) return wrong("there is no such character");
        return static_cast<char32_t>(value);
    }

    Result<char32_t> plain_character() {
        const auto byte = static_cast<unsigned char>(peek());
        const std::size_t n = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
        if ((byte >= 0x80 && byte < 0xC2) || byte > 0xF4 || at_ + n > text_.size()) return wrong("it is not valid UTF-8");
        char32_t value = n == 1 ? byte : byte & (0x7FU >> n);
        for (std::size_t i = 1; i < n; ++i) {
            const auto next = static_cast<unsigned char>(text_[at_ + i]);
            if ((next & 0xC0U) != 0x80U) return wrong("it is not valid UTF-8");
            value = (value << 6U) | (next & 0x3FU);
        }
        if (value > last_code_point) return wrong("it is not valid UTF-8");
        at_ += n;
        return value;
    }

    // An element for one character of the set; `end` for an empty one.
    Element of_class(const CodePointSet& set) {
        if (set.empty()) return {};
        const auto [place, fresh] = class_indices_.try_emplace(set.gbnf(), static_cast<std::uint32_t>(classes_.size()));
        if (fresh) {
            Grammar::CharacterClass made{.all = set};
            for (unsigned char c = 0; c < 0x80; ++c)
                if (set.contains(c)) made.ascii[c >> 6U] |= std::uint64_t{1} << (c & 63U);
            classes_.push_back(std::move(made));
        }
        return {.kind = Kind::characters, .index = place->second};
    }

    // ---- the result ----

    std::shared_ptr<const Grammar> laid_out(std::uint32_t root) {
        auto grammar = std::shared_ptr<Grammar>(new Grammar);
        grammar->root_ = root;
        grammar->classes_ = std::move(classes_);
        grammar->text_ = std::move(literals_);
        for (const auto& rule : rules_) {
            grammar->rules_.push_back({static_cast<std::uint32_t>(grammar->starts_.size()),
                                       static_cast<std::uint32_t>(rule.alternatives.size())});
            for (const auto& alternative : rule.alternatives) {
                grammar->starts_.push_back(static_cast<std::uint32_t>(grammar->elements_.size()));
                grammar->elements_.insert(grammar->elements_.end(), alternative.begin(), alternative.end());
                grammar->elements_.push_back({});
            }
        }
        return grammar;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    int depth_ = 0;
    std::size_t n_elements_ = 0;
    std::vector<RawRule> rules_;
    std::unordered_map<std::string, std::uint32_t> names_;
    std::vector<Grammar::CharacterClass> classes_;
    std::unordered_map<std::string, std::uint32_t> class_indices_;
    std::string literals_;
};

Result<std::shared_ptr<const Grammar>> Grammar::parse(std::string_view gbnf) { return GrammarParser(gbnf).parse(); }

std::size_t Grammar::bytes() const {
    std::size_t ranges = 0;
    for (const auto& one : classes_) ranges += one.all.ranges().size();
    return elements_.size() * sizeof(Element) + starts_.size() * sizeof(std::uint32_t) + rules_.size() * sizeof(RuleStarts) +
           classes_.size() * sizeof(CharacterClass) + ranges * sizeof(CodePointRange) + text_.size();
}

}  // namespace weft
