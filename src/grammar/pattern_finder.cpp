#include "grammar/pattern_finder.h"

#include <algorithm>
#include <limits>
#include <ranges>

#include "grammar/regex_parser.h"

namespace weft {
namespace {

constexpr std::size_t no_begin = std::numeric_limits<std::size_t>::max();

// The character at `at` and its length; a byte that is no UTF-8 stands for itself and belongs to no set.
struct Character {
    char32_t code = 0;
    std::size_t bytes = 1;
};

Character character_at(std::string_view text, std::size_t at) {
    constexpr char32_t invalid = 0xFFFFFFFF;
    const auto byte = [&text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned lead = byte(at);
    if (lead < 0x80) return {.code = lead};
    const std::size_t more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (more == 0 || at + more >= text.size()) return {.code = invalid};
    char32_t code = lead & (0x3FU >> more);
    for (std::size_t i = 1; i <= more; ++i) {
        if ((byte(at + i) & 0xC0U) != 0x80) return {.code = invalid};
        code = (code << 6U) | (byte(at + i) & 0x3FU);
    }
    return {.code = code, .bytes = more + 1};
}

CodePointSet with_other_case(CodePointSet set) {
    CodePointSet more;
    for (char32_t c = U'a'; c <= U'z'; ++c) {
        if (set.contains(c)) more.add({c - 32, c - 32});
        if (set.contains(c - 32)) more.add({c, c});
    }
    set.add(more);
    return set;
}

std::unexpected<Error> too_large_pattern() {
    return fail(ErrorCode::invalid_request, "the patterns are too large: more than " + std::to_string(max_finder_states) + " states");
}

}  // namespace

// Thompson's construction, from the end backwards: each part is told what comes after it.
class FinderBuilder {
  public:
    FinderBuilder(PatternFinder& finder, bool ignore_case) : states_(finder.states_), ignore_case_(ignore_case) {}

    Result<std::uint32_t> build(const Regex::Node& node, std::uint32_t next) {
        switch (node.kind) {
            case Regex::Node::Kind::characters:
                return add({.kind = Kind::character, .characters = ignore_case_ ? with_other_case(node.characters) : node.characters, .next = next});
            case Regex::Node::Kind::begin: return add({.kind = Kind::begin, .next = next});
            case Regex::Node::Kind::end: return add({.kind = Kind::end, .next = next});
            case Regex::Node::Kind::sequence: return sequence(node, next);
            case Regex::Node::Kind::choice: return choice(node, next);
            case Regex::Node::Kind::repeat: return repeat(node, next);
        }
        return next;
    }

    Result<std::uint32_t> literal(std::string_view text, std::uint32_t next) {
        std::vector<char32_t> codes;
        for (std::size_t at = 0; at < text.size();) {
            const auto character = character_at(text, at);
            if (character.code > last_code_point) return fail(ErrorCode::invalid_request, "the text is not UTF-8");
            codes.push_back(character.code);
            at += character.bytes;
        }
        for (const auto code : std::views::reverse(codes)) {
            CodePointSet set{{code, code}};
            WEFT_TRY(next, add({.kind = Kind::character, .characters = ignore_case_ ? with_other_case(std::move(set)) : std::move(set), .next = next}));
        }
        return next;
    }

    using State = PatternFinder::State;
    using Kind = State::Kind;

    Result<std::uint32_t> add(State state) {
        if (states_.size() >= max_finder_states) return too_large_pattern();
        states_.push_back(std::move(state));
        return static_cast<std::uint32_t>(states_.size() - 1);
    }

  private:
    Result<std::uint32_t> sequence(const Regex::Node& node, std::uint32_t next) {
        for (const auto& part : std::views::reverse(node.parts)) {
            WEFT_TRY(next, build(*part, next));
        }
        return next;
    }

    Result<std::uint32_t> choice(const Regex::Node& node, std::uint32_t next) {
        WEFT_TRY(auto ways, build(*node.parts.front(), next));
        for (std::size_t i = 1; i < node.parts.size(); ++i) {
            WEFT_TRY(const auto way, build(*node.parts[i], next));
            WEFT_TRY(ways, add({.kind = Kind::split, .next = way, .other = ways}));
        }
        return ways;
    }

    Result<std::uint32_t> repeat(const Regex::Node& node, std::uint32_t next) {
        const auto& inner = *node.parts.front();
        auto begin = next;
        if (node.most == unbounded) {
            // The loop's own state comes first, because what is inside must know it.
            WEFT_TRY(const auto loop, add({.kind = Kind::split, .next = next, .other = next}));
            WEFT_TRY(const auto inside, build(inner, loop));
            states_[loop].next = inside;
            begin = loop;
        } else {
            for (auto i = node.least; i < node.most; ++i) {
                WEFT_TRY(const auto once_more, build(inner, begin));
                WEFT_TRY(begin, add({.kind = Kind::split, .next = once_more, .other = next}));
            }
        }
        for (std::uint32_t i = 0; i < node.least; ++i) {
            WEFT_TRY(begin, build(inner, begin));
        }
        return begin;
    }

    std::vector<State>& states_;
    bool ignore_case_;
};

// Of each state, only the earliest begin of a match that leads there: all that any later end can need.
class FinderRun {
  public:
    FinderRun(const PatternFinder& finder, std::string_view text)
        : finder_(finder), text_(text), now_(finder.states_.size(), no_begin), next_(finder.states_.size(), no_begin) {}

    std::vector<PatternFinder::Span> spans{};

    void run() {
        for (std::size_t at = 0;;) {
            for (const auto start : finder_.starts_) enter(start, at, at, now_, active_);
            if (at >= text_.size()) return;
            const auto character = character_at(text_, at);
            const auto after = at + character.bytes;
            // Earliest begins first: then no state is entered twice.
            std::ranges::sort(active_, {}, [this](std::uint32_t state) { return now_[state]; });
            for (std::size_t i = 0; i < active_.size(); ++i) {
                const auto& state = finder_.states_[active_[i]];
                if (state.kind == PatternFinder::State::Kind::character && character.code <= last_code_point && state.characters.contains(character.code))
                    enter(state.next, now_[active_[i]], after, next_, coming_);
            }
            for (const auto state : active_) now_[state] = no_begin;
            active_.clear();
            std::swap(now_, next_);
            std::swap(active_, coming_);
            at = after;
        }
    }

  private:
    // Follows what needs no character. An earlier begin than the one that is known there replaces it.
    void enter(std::uint32_t first, std::size_t begin, std::size_t at, std::vector<std::size_t>& begins, std::vector<std::uint32_t>& active) {
        using Kind = PatternFinder::State::Kind;
        to_enter_.assign(1, first);
        while (!to_enter_.empty()) {
            const auto index = to_enter_.back();
            to_enter_.pop_back();
            if (begins[index] <= begin) continue;
            if (begins[index] == no_begin) active.push_back(index);
            begins[index] = begin;
            const auto& state = finder_.states_[index];
            if (state.kind == Kind::match) found(begin, at);
            if (state.kind == Kind::split) to_enter_.push_back(state.other);
            const bool passes = state.kind == Kind::split || (state.kind == Kind::begin && at == 0) || (state.kind == Kind::end && at == text_.size());
            if (passes) to_enter_.push_back(state.next);
        }
    }

    // Ends come in order, so what is new can only reach into the last ones.
    void found(std::size_t begin, std::size_t end) {
        if (begin == end) return;
        while (!spans.empty() && spans.back().end >= begin) {
            begin = std::min(begin, spans.back().begin);
            spans.pop_back();
        }
        spans.push_back({.begin = begin, .end = end});
    }

    const PatternFinder& finder_;
    std::string_view text_;
    std::vector<std::size_t> now_, next_;  // the earliest begin by state
    std::vector<std::uint32_t> active_{}, coming_{};
    std::vector<std::uint32_t> to_enter_{};
};

Result<void> PatternFinder::add_pattern(std::string_view regex, bool ignore_case) {
    WEFT_TRY(const auto root, parse_regex(regex));
    auto grown = *this;
    FinderBuilder builder(grown, ignore_case);
    WEFT_TRY(const auto match, builder.add({.kind = State::Kind::match}));
    WEFT_TRY(const auto start, builder.build(*root, match));
    grown.starts_.push_back(start);
    *this = std::move(grown);
    return {};
}

Result<void> PatternFinder::add_literal(std::string_view text, bool ignore_case) {
    if (text.empty()) return fail(ErrorCode::invalid_request, "a text must not be empty");
    auto grown = *this;
    FinderBuilder builder(grown, ignore_case);
    WEFT_TRY(const auto match, builder.add({.kind = State::Kind::match}));
    WEFT_TRY(const auto start, builder.literal(text, match));
    grown.starts_.push_back(start);
    *this = std::move(grown);
    return {};
}

std::vector<PatternFinder::Span> PatternFinder::find(std::string_view text) const {
    FinderRun run(*this, text);
    if (!empty()) run.run();
    return std::move(run.spans);
}

}  // namespace weft
