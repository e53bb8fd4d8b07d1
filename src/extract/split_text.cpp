#include "extract/split_text.h"

#include <algorithm>
#include <string>

#include "base/utf8.h"

namespace weft {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f' || c == '\v'; }

// What passages are made of: a sentence, or a part of one that is too long.
struct Unit {
    std::size_t begin;
    std::size_t end;           // blanks after it included
    bool ends_paragraph = false;
};

// The length of a sentence's end at `at`: 0 when there is none.
std::size_t sentence_end(std::string_view text, std::size_t at) {
    for (const std::string_view wide : {"\u3002", "\uFF01", "\uFF1F"})
        if (text.substr(at).starts_with(wide)) return wide.size();
    if (text[at] != '.' && text[at] != '!' && text[at] != '?') return 0;
    auto end = at + 1;
    while (end < text.size() && (text[end] == '"' || text[end] == '\'' || text[end] == ')')) ++end;
    return end == text.size() || is_space(text[end]) ? end - at : 0;
}

// Where [begin, ...) must be cut to be at most that long: after a blank if there is one in its second half, never inside a
// character.
std::size_t cut_at(std::string_view text, std::size_t begin, std::size_t most) {
    for (auto cut = begin + most; cut > begin + most / 2; --cut)
        if (is_space(text[cut - 1])) return cut;
    return cut_before_character(text, begin + most, begin + 1);
}

class UnitFinder {
  public:
    UnitFinder(std::string_view text, std::size_t most) : text_(text), most_(most) {}

    std::vector<Unit> of(std::size_t begin, std::size_t end) {
        units_.clear();
        auto from = begin;
        for (auto at = begin; at < end;) {
            const auto length = sentence_end(text_.substr(0, end), at);
            auto next = at + length;
            std::size_t lines = 0;
            for (; next < end && is_space(text_[next]); ++next) lines += text_[next] == '\n' ? 1 : 0;
            const bool ends_paragraph = lines >= 2;
            if (length > 0 || ends_paragraph) {
                add(from, next, ends_paragraph);
                from = next;
            }
            at = std::max(next, at + 1);
        }
        add(from, end, true);
        return std::move(units_);
    }

  private:
    void add(std::size_t begin, std::size_t end, bool ends_paragraph) {
        while (end - begin > most_) {
            const auto cut = cut_at(text_, begin, most_);
            units_.push_back({.begin = begin, .end = cut});
            begin = cut;
        }
        if (begin < end) units_.push_back({.begin = begin, .end = end, .ends_paragraph = ends_paragraph});
    }

    std::string_view text_;
    std::size_t most_;
    std::vector<Unit> units_{};
};

// The begins of the parts that no passage may cross.
std::vector<std::size_t> sections_of(std::string_view text, TextKind kind) {
    std::vector<std::size_t> begins{0};
    if (kind != TextKind::markdown) return begins;
    bool in_code = false;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        const auto line = text.substr(at, end - at);
        if (line.starts_with("```") || line.starts_with("~~~")) in_code = !in_code;
        const auto level = std::min(line.find_first_not_of('#'), line.size());
        const bool heading = !in_code && level >= 1 && level <= 6 && (level == line.size() || line[level] == ' ');
        if (heading && at != 0) begins.push_back(at);
        at = end + 1;
    }
    return begins;
}

class Splitter {
  public:
    Splitter(std::string_view text, const PassageLimits& limits) : text_(text), limits_(limits) {}

    std::vector<TextPassage> passages{};

    void add(const std::vector<Unit>& units) {
        for (std::size_t first = 0; first < units.size() && passages.size() <= limits_.most;) {
            const auto next = end_of(units, first);
            put(units[first].begin, units[next - 1].end);
            if (next == units.size()) return;
            first = begin_of_next(units, first, next);
        }
    }

  private:
    // One behind the last unit of the passage that begins with that one.
    [[nodiscard]] std::size_t end_of(const std::vector<Unit>& units, std::size_t first) const {
        const auto bytes = [&](std::size_t last) { return units[last].end - units[first].begin; };
        auto next = first + 1;
        auto paragraph = units[first].ends_paragraph ? next : 0;
        while (next < units.size() && bytes(next) <= limits_.bytes) {
            if (units[next].ends_paragraph) paragraph = next + 1;
            ++next;
        }
        if (next < units.size() && paragraph != 0 && bytes(paragraph - 1) * 2 >= limits_.bytes) return paragraph;
        return next;
    }

    [[nodiscard]] std::size_t begin_of_next(const std::vector<Unit>& units, std::size_t first, std::size_t next) const {
        auto begin = next;
        const auto end = units[next - 1].end;
        while (begin - 1 > first && end - units[begin - 1].begin <= limits_.overlap &&
               units[next].end - units[begin - 1].begin <= limits_.bytes)
            --begin;
        return begin;
    }

    void put(std::size_t begin, std::size_t end) {
        while (begin < end && is_space(text_[begin])) ++begin;
        while (end > begin && is_space(text_[end - 1])) --end;
        if (begin < end) passages.push_back({.start = begin, .text = text_.substr(begin, end - begin)});
    }

    std::string_view text_;
    const PassageLimits& limits_;
};

}  // namespace

Result<std::vector<TextPassage>> split_text(std::string_view text, TextKind kind, const PassageLimits& limits) {
    Splitter splitter(text, limits);
    UnitFinder finder(text, limits.bytes);
    const auto sections = sections_of(text, kind);
    for (std::size_t i = 0; i < sections.size() && splitter.passages.size() <= limits.most; ++i)
        splitter.add(finder.of(sections[i], i + 1 < sections.size() ? sections[i + 1] : text.size()));
    if (splitter.passages.size() > limits.most)
        return fail(ErrorCode::too_large, "the document has more than the " + std::to_string(limits.most) + " passages that one may have");
    return std::move(splitter.passages);
}

}  // namespace weft
