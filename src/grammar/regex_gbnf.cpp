#include "grammar/regex_gbnf.h"

#include <algorithm>

#include "grammar/gbnf_builder.h"
#include "grammar/json_strings.h"
#include "grammar/regex_parser.h"

namespace weft {
namespace {

using RegexNode = Regex::Node;
using RegexNodePtr = std::shared_ptr<RegexNode>;
using RegexKind = RegexNode::Kind;

std::unexpected<Error> stray_anchor() {
    return fail(ErrorCode::invalid_request,
                "the regular expression has an anchor in its middle, which a grammar cannot express");
}

// One alternative of the whole, without its anchors.
struct Branch {
    std::vector<RegexNodePtr> parts;
    bool from_begin = false;
    bool to_end = false;
};

std::vector<Branch> branches_of(const RegexNode& root) {
    std::vector<RegexNodePtr> alternatives;
    if (root.kind == RegexKind::choice) alternatives = root.parts;
    else alternatives.push_back(std::make_shared<RegexNode>(root));
    std::vector<Branch> branches;
    for (const auto& alternative : alternatives) {
        Branch branch{.parts = alternative->kind == RegexKind::sequence ? alternative->parts : std::vector{alternative}};
        while (!branch.parts.empty() && branch.parts.front()->kind == RegexKind::begin) {
            branch.parts.erase(branch.parts.begin());
            branch.from_begin = true;
        }
        while (!branch.parts.empty() && branch.parts.back()->kind == RegexKind::end) {
            branch.parts.pop_back();
            branch.to_end = true;
        }
        branches.push_back(std::move(branch));
    }
    return branches;
}

std::string repetition(std::uint32_t least, std::uint32_t most) {
    if (least == 0 && most == 1) return "?";
    if (most == unbounded) return least == 0 ? "*" : least == 1 ? "+" : "{" + std::to_string(least) + ",}";
    return "{" + std::to_string(least) + "," + std::to_string(most) + "}";
}

class Writer {
  public:
    Writer(GbnfBuilder& builder, Regex::Writing writing) : builder_(builder), writing_(writing) {}

    Result<std::string> sequence(const std::vector<RegexNodePtr>& parts) {
        std::string text;
        for (const auto& part : parts) {
            WEFT_TRY(const auto piece, written(*part));
            if (!piece.empty()) text += (text.empty() ? "" : " ") + piece;
        }
        return text.empty() ? "\"\"" : text;
    }

  private:
    Result<std::string> written(const RegexNode& node) {
        if (builder_.too_large()) return fail(ErrorCode::invalid_request, "the regular expression is too large");
        switch (node.kind) {
            case RegexKind::characters:
                return writing_ == Regex::Writing::plain ? node.characters.gbnf() : json_characters(node.characters);
            case RegexKind::sequence: return sequence(node.parts);
            case RegexKind::choice: return choice(node);
            case RegexKind::repeat: return repeat(node);
            case RegexKind::begin:
            case RegexKind::end: break;
        }
        return stray_anchor();
    }

    Result<std::string> choice(const RegexNode& node) {
        std::string text;
        for (const auto& part : node.parts) {
            WEFT_TRY(const auto piece, written(*part));
            text += (text.empty() ? "" : " | ") + piece;
        }
        return "(" + text + ")";
    }

    Result<std::string> repeat(const RegexNode& node) {
        WEFT_TRY(const auto body, written(*node.parts.front()));
        // A rule of its own, so that nested repetitions do not repeat their text.
        return builder_.add_shared_rule("part", body) + repetition(node.least, node.most);
    }

    GbnfBuilder& builder_;
    Regex::Writing writing_;
};

LengthRange plus(LengthRange a, LengthRange b) {
    return {a.least + b.least, a.most && b.most ? std::optional(*a.most + *b.most) : std::nullopt};
}

LengthRange length_of(const RegexNode& node);

LengthRange length_of(const std::vector<RegexNodePtr>& parts) {
    LengthRange sum;
    for (const auto& part : parts) sum = plus(sum, length_of(*part));
    return sum;
}

// Lengths are kept far from overflow: what is longer counts as unbounded.
constexpr std::uint64_t long_enough = std::uint64_t{1} << 31U;

LengthRange length_of(const RegexNode& node) {
    switch (node.kind) {
        case RegexKind::characters: return {1, 1};
        case RegexKind::sequence: return length_of(node.parts);
        case RegexKind::choice: {
            auto all = length_of(*node.parts.front());
            for (const auto& part : node.parts) {
                const auto one = length_of(*part);
                all.least = std::min(all.least, one.least);
                all.most = all.most && one.most ? std::optional(std::max(*all.most, *one.most)) : std::nullopt;
            }
            return all;
        }
        case RegexKind::repeat: {
            const auto one = length_of(*node.parts.front());
            LengthRange all{std::min(one.least * node.least, long_enough), std::nullopt};
            if (one.most == 0) all.most = 0;
            else if (one.most && node.most != unbounded && *one.most * node.most < long_enough) all.most = *one.most * node.most;
            return all;
        }
        case RegexKind::begin:
        case RegexKind::end: break;
    }
    return {};
}

bool within(const LengthRange& range, const LengthRange& wanted) {
    return range.least >= wanted.least && (!wanted.most || (range.most && *range.most <= *wanted.most));
}

}  // namespace

Result<Regex> Regex::parse(std::string_view pattern) {
    WEFT_TRY(auto root, parse_regex(pattern));
    return Regex(std::move(root));
}

Result<std::string> Regex::add_to(GbnfBuilder& builder, Writing writing) const {
    const bool whole = writing == Writing::plain;
    std::string body;
    for (const auto& branch : branches_of(*root_)) {
        WEFT_TRY(auto text, Writer(builder, writing).sequence(branch.parts));
        if (!whole && !branch.from_begin) text = add_json_char(builder) + "* " + text;
        if (!whole && !branch.to_end) text += " " + add_json_char(builder) + "*";
        body += (body.empty() ? "" : " | ") + text;
    }
    return builder.add_shared_rule("pattern", body);
}

LengthRange Regex::length() const {
    std::optional<LengthRange> all;
    for (const auto& branch : branches_of(*root_)) {
        auto one = length_of(branch.parts);
        if (!branch.from_begin || !branch.to_end) one.most = std::nullopt;
        if (!all) all = one;
        all->least = std::min(all->least, one.least);
        all->most = all->most && one.most ? std::optional(std::max(*all->most, *one.most)) : std::nullopt;
    }
    return all.value_or(LengthRange{});
}

bool Regex::narrow(const LengthRange& wanted) {
    if (within(length(), wanted)) return true;
    auto branches = branches_of(*root_);
    if (branches.size() != 1 || !branches[0].from_begin || !branches[0].to_end) return false;
    auto& parts = branches[0].parts;
    // The one part that stretches; what stands around it must have one length.
    const auto stretches = [](const RegexNodePtr& part) {
        const auto length = length_of(*part);
        return !length.most || *length.most != length.least;
    };
    if (std::ranges::count_if(parts, stretches) != 1) return false;
    const auto place = std::ranges::find_if(parts, stretches);
    const RegexNode old = **place;
    if (old.kind != RegexKind::repeat || length_of(*old.parts.front()).most != 1U || length_of(*old.parts.front()).least != 1U)
        return false;
    const auto fixed = length_of(parts).least - old.least;
    if (wanted.most && *wanted.most < fixed) return false;
    RegexNode narrowed = old;
    const auto least = wanted.least > fixed ? wanted.least - fixed : 0;
    const auto most = wanted.most ? *wanted.most - fixed : std::uint64_t{unbounded};
    narrowed.least = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(least, old.least, unbounded - 1));
    narrowed.most = static_cast<std::uint32_t>(std::min<std::uint64_t>(most, old.most));
    if (narrowed.least > narrowed.most) return false;
    *place = std::make_shared<RegexNode>(std::move(narrowed));
    RegexNode root{.kind = RegexKind::sequence};
    root.parts.push_back(std::make_shared<RegexNode>(RegexNode{.kind = RegexKind::begin}));
    root.parts.insert(root.parts.end(), parts.begin(), parts.end());
    root.parts.push_back(std::make_shared<RegexNode>(RegexNode{.kind = RegexKind::end}));
    root_ = std::make_shared<RegexNode>(std::move(root));
    return true;
}

}  // namespace weft
