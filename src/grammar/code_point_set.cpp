#include "grammar/code_point_set.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/assert.h"

namespace weft {
namespace {

constexpr CodePointRange surrogates{0xD800, 0xDFFF};

std::string escaped(char32_t c) {
    if ((c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z') || (c >= U'0' && c <= U'9'))
        return {static_cast<char>(c)};
    std::array<char, 16> text{};
    const auto value = static_cast<unsigned>(c);
    if (value <= 0xFF) std::snprintf(text.data(), text.size(), "\\x%02X", value);
    else if (value <= 0xFFFF) std::snprintf(text.data(), text.size(), "\\u%04X", value);
    else std::snprintf(text.data(), text.size(), "\\U%08X", value);
    return text.data();
}

}  // namespace

CodePointSet::CodePointSet(std::initializer_list<CodePointRange> ranges) : ranges_(ranges) { normalise(); }

void CodePointSet::normalise() {
    std::ranges::sort(ranges_, {}, &CodePointRange::first);
    std::vector<CodePointRange> merged;
    const auto append = [&](char32_t first, char32_t last) {
        if (first > last) return;
        if (!merged.empty() && first <= merged.back().last + 1) merged.back().last = std::max(merged.back().last, last);
        else merged.push_back({first, last});
    };
    for (const auto& [first, last] : ranges_) {
        append(first, std::min<char32_t>(last, surrogates.first - 1));
        append(std::max<char32_t>(first, surrogates.last + 1), std::min(last, last_code_point));
    }
    ranges_ = std::move(merged);
}

void CodePointSet::add(CodePointRange range) {
    ranges_.push_back(range);
    normalise();
}

void CodePointSet::add(const CodePointSet& other) {
    ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
    normalise();
}

void CodePointSet::add_all(const std::vector<CodePointRange>& ranges) {
    ranges_.insert(ranges_.end(), ranges.begin(), ranges.end());
    normalise();
}

void CodePointSet::remove(CodePointRange range) {
    std::vector<CodePointRange> left;
    for (const auto& [first, last] : ranges_) {
        if (last < range.first || first > range.last) {
            left.push_back({first, last});
            continue;
        }
        if (first < range.first) left.push_back({first, range.first - 1});
        if (last > range.last) left.push_back({range.last + 1, last});
    }
    ranges_ = std::move(left);
}

CodePointSet CodePointSet::complement() const {
    auto rest = all();
    for (const auto& range : ranges_) rest.remove(range);
    return rest;
}

bool CodePointSet::overlaps(char32_t first, char32_t last) const {
    const auto after = std::ranges::lower_bound(ranges_, first, {}, &CodePointRange::last);
    return after != ranges_.end() && after->first <= last;
}

bool CodePointSet::contains(char32_t c) const { return overlaps(c, c); }

std::uint32_t CodePointSet::size() const {
    std::uint32_t n = 0;
    for (const auto& [first, last] : ranges_) n += static_cast<std::uint32_t>(last - first) + 1;
    return n;
}

std::string CodePointSet::gbnf() const {
    assert_that(!ranges_.empty(), "a character class has members");
    std::string text = "[";
    for (const auto& [first, last] : ranges_) {
        text += escaped(first);
        if (last > first) (text += '-') += escaped(last);
    }
    return text + ']';
}

}  // namespace weft
