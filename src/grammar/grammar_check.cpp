#include "grammar/grammar_check.h"

#include <algorithm>
#include <utility>

namespace weft {
namespace {

using Kind = Grammar::Kind;
using Element = Grammar::Element;

bool refers(const Element& element) { return element.kind == Kind::call || element.kind == Kind::loop; }

std::unexpected<Error> broken(const std::string& name, std::string_view what) {
    return fail(ErrorCode::invalid_request, "the grammar's rule '" + name.substr(0, 64) + "' " + std::string(what));
}

std::vector<bool> reachable_from(const std::vector<RawRule>& rules, std::uint32_t root) {
    std::vector<bool> reached(rules.size());
    std::vector<std::uint32_t> todo{root};
    reached[root] = true;
    while (!todo.empty()) {
        const auto& rule = rules[todo.back()];
        todo.pop_back();
        for (const auto& alternative : rule.alternatives)
            for (const auto& element : alternative)
                if (refers(element) && !reached[element.index]) {
                    reached[element.index] = true;
                    todo.push_back(element.index);
                }
    }
    return reached;
}

// The rules of which an alternative consists only of elements that have the property already (`holds`) or get it with
// their rule: how "may be empty" and "can end" spread. Linear in the size of the grammar.
template <typename Holds>
std::vector<bool> spread(const std::vector<RawRule>& rules, Holds holds) {
    struct Alternative {
        std::uint32_t rule;
        std::size_t missing;  // elements whose rules do not have it yet
    };
    std::vector<Alternative> alternatives;
    std::vector<std::vector<std::size_t>> waiting(rules.size());  // per rule: alternatives that wait for it
    std::vector<bool> has(rules.size());
    std::vector<std::uint32_t> news;
    const auto give = [&](std::uint32_t rule) {
        if (has[rule]) return;
        has[rule] = true;
        news.push_back(rule);
    };
    for (std::uint32_t r = 0; r < rules.size(); ++r)
        for (const auto& elements : rules[r].alternatives) {
            Alternative alternative{.rule = r, .missing = 0};
            bool impossible = false;
            for (const auto& element : elements) {
                if (holds(element)) continue;
                if (!refers(element)) {
                    impossible = true;
                    break;
                }
                ++alternative.missing;
                waiting[element.index].push_back(alternatives.size());
            }
            // An impossible one keeps its place, because others may point to it, and never completes.
            if (impossible) alternative.missing = elements.size() + 1;
            else if (alternative.missing == 0) give(r);
            alternatives.push_back(alternative);
        }
    while (!news.empty()) {
        const auto rule = news.back();
        news.pop_back();
        for (const auto i : waiting[rule])
            if (--alternatives[i].missing == 0) give(alternatives[i].rule);
    }
    return has;
}

// The rules that a rule may begin with.
std::vector<std::uint32_t> beginnings(const RawRule& rule, const std::vector<bool>& may_be_empty) {
    std::vector<std::uint32_t> first;
    for (const auto& alternative : rule.alternatives)
        for (const auto& element : alternative) {
            if (refers(element)) first.push_back(element.index);
            const bool empty = element.least == 0 || (refers(element) && may_be_empty[element.index]);
            if (!empty) break;
        }
    return first;
}

// Depth first, with a stack of its own. A rule met again while it is open begins with itself.
Result<void> check_left_recursion(const std::vector<RawRule>& rules, std::uint32_t root, const std::vector<bool>& may_be_empty) {
    enum class Colour : std::uint8_t { unseen, open, closed };
    struct Visit {
        std::uint32_t rule;
        std::vector<std::uint32_t> next;
    };
    std::vector<Colour> colour(rules.size(), Colour::unseen);
    std::vector<Visit> stack;
    const auto enter = [&](std::uint32_t rule) {
        colour[rule] = Colour::open;
        stack.push_back({rule, beginnings(rules[rule], may_be_empty)});
    };
    const auto reached = reachable_from(rules, root);
    for (std::uint32_t start = 0; start < rules.size(); ++start) {
        if (!reached[start] || colour[start] != Colour::unseen) continue;
        enter(start);
        while (!stack.empty()) {
            auto& visit = stack.back();
            if (visit.next.empty()) {
                colour[visit.rule] = Colour::closed;
                stack.pop_back();
                continue;
            }
            const auto rule = visit.next.back();
            visit.next.pop_back();
            if (colour[rule] == Colour::open) return broken(rules[rule].name, "begins with itself (left recursion)");
            if (colour[rule] == Colour::unseen) enter(rule);
        }
    }
    return {};
}

}  // namespace

Result<void> check_rules(std::vector<RawRule>& rules, std::uint32_t root) {
    const auto reached = reachable_from(rules, root);
    for (std::uint32_t r = 0; r < rules.size(); ++r)
        if (reached[r] && !rules[r].defined) return broken(rules[r].name, "is not defined");
    const auto ends = spread(rules, [](const Element& e) { return e.kind == Kind::characters || e.least == 0; });
    for (std::uint32_t r = 0; r < rules.size(); ++r)
        if (reached[r] && !ends[r]) return broken(rules[r].name, "can never end");
    const auto may_be_empty = spread(rules, [](const Element& e) { return e.least == 0; });
    WEFT_CHECK(check_left_recursion(rules, root, may_be_empty));
    for (auto& rule : rules)
        for (auto& alternative : rule.alternatives)
            for (auto& element : alternative)
                if (element.kind == Kind::loop && may_be_empty[element.index]) element.least = 0;
    return {};
}

}  // namespace weft
