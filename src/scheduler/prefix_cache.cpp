#include "scheduler/prefix_cache.h"

#include <algorithm>

namespace weft {
namespace {

constexpr std::uint32_t most_hits_that_count = 4;

}  // namespace

std::int32_t common_prefix(std::span<const Token> a, std::span<const Token> b) {
    const auto n = std::min(a.size(), b.size());
    return static_cast<std::int32_t>(std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(n), b.begin()).first -
                                     a.begin());
}

std::optional<std::size_t> choose_victim(const std::vector<CachedView>& cached) {
    const auto score = [](const CachedView& view) {
        const double age = static_cast<double>(view.idle + 1) * (view.spilled ? 2 : 1);
        return age / (1 + std::min(view.hits, most_hits_that_count));
    };
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < cached.size(); ++i) {
        if (!best) best = i;
        const bool frees = cached[i].freed_cells > 0, best_frees = cached[*best].freed_cells > 0;
        if (frees != best_frees ? frees : score(cached[i]) > score(cached[*best])) best = i;
    }
    return best;
}

PrefixMatch PrefixCache::find(std::span<const Token> prompt, std::int32_t limit, const std::string& scope) const {
    PrefixMatch best;
    const auto head = prompt.first(std::min(prompt.size(), static_cast<std::size_t>(limit)));
    for (const auto& entry : entries_) {
        if (entry.scope != scope) continue;
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
    for (auto& entry : entries_) {
        if (entry.id != id) continue;
        entry.last_used = ++uses_;
        ++entry.hits;
    }
}

std::vector<SequenceId> PrefixCache::insert(Entry entry) {
    for (auto& other : entries_) {
        if (other.scope != entry.scope || other.tokens.size() < entry.tokens.size()) continue;
        if (!std::equal(entry.tokens.begin(), entry.tokens.end(), other.tokens.begin())) continue;
        other.last_used = ++uses_;
        other.hits = std::max(other.hits, entry.hits);
        return {entry.id};
    }
    std::vector<SequenceId> superfluous;
    std::erase_if(entries_, [&](const Entry& other) {
        if (other.scope != entry.scope || other.tokens.size() > entry.tokens.size()) return false;
        if (!std::equal(other.tokens.begin(), other.tokens.end(), entry.tokens.begin())) return false;
        superfluous.push_back(other.id);
        entry.hits = std::max(entry.hits, other.hits);
        return true;
    });
    entry.last_used = ++uses_;
    entries_.push_back(std::move(entry));
    return superfluous;
}

std::optional<PrefixCache::Entry> PrefixCache::take(SequenceId id) {
    const auto place = std::ranges::find(entries_, id, &Entry::id);
    if (place == entries_.end()) return std::nullopt;
    auto entry = std::move(*place);
    entries_.erase(place);
    return entry;
}

}  // namespace weft
