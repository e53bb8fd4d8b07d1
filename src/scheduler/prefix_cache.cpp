#include "scheduler/prefix_cache.h"

#include <algorithm>

namespace weft {

std::int32_t common_prefix(std::span<const Token> a, std::span<const Token> b) {
    const auto n = std::min(a.size(), b.size());
    return static_cast<std::int32_t>(std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(n), b.begin()).first -
                                     a.begin());
}

PrefixMatch PrefixCache::find(std::span<const Token> prompt, std::int32_t limit, const std::string& tenant) const {
    PrefixMatch best;
    const auto head = prompt.first(std::min(prompt.size(), static_cast<std::size_t>(limit)));
    for (const auto& entry : entries_) {
        if (entry.tenant != tenant) continue;
        const auto tokens = common_prefix(head, entry.tokens);
        if (tokens <= best.tokens) continue;
        best = {.tokens = tokens,
                .holder = entry.id,
                .from_cache = true,
                .whole = static_cast<std::size_t>(tokens) == entry.tokens.size()};
    }
    return best;
}

void PrefixCache::touch(SequenceId id) {
    for (auto& entry : entries_)
        if (entry.id == id) entry.last_used = ++uses_;
}

std::vector<SequenceId> PrefixCache::insert(Entry entry) {
    for (auto& other : entries_) {
        if (other.tenant != entry.tenant || other.tokens.size() < entry.tokens.size()) continue;
        if (!std::equal(entry.tokens.begin(), entry.tokens.end(), other.tokens.begin())) continue;
        other.last_used = ++uses_;
        return {entry.id};
    }
    std::vector<SequenceId> superfluous;
    std::erase_if(entries_, [&](const Entry& other) {
        if (other.tenant != entry.tenant || other.tokens.size() > entry.tokens.size()) return false;
        if (!std::equal(other.tokens.begin(), other.tokens.end(), entry.tokens.begin())) return false;
        superfluous.push_back(other.id);
        return true;
    });
    entry.last_used = ++uses_;
    entries_.push_back(std::move(entry));
    return superfluous;
}

void PrefixCache::take_over(SequenceId id) {
    std::erase_if(entries_, [&](const Entry& entry) { return entry.id == id; });
}

std::optional<SequenceId> PrefixCache::evict() {
    const auto oldest = std::ranges::min_element(entries_, {}, &Entry::last_used);
    if (oldest == entries_.end()) return std::nullopt;
    const auto id = oldest->id;
    entries_.erase(oldest);
    return id;
}

}  // namespace weft
