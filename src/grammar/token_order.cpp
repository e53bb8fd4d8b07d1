#include "grammar/token_order.h"

#include <algorithm>

namespace weft {

TokenOrder::TokenOrder(const std::vector<std::string_view>& bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i)
        if (!bytes[i].empty()) entries_.push_back({.bytes = bytes[i], .token = static_cast<std::int32_t>(i), .shared = 0});
    std::ranges::sort(entries_, [](const Entry& a, const Entry& b) { return a.bytes < b.bytes; });
    for (std::size_t i = 1; i < entries_.size(); ++i) {
        const auto [a, b] = std::ranges::mismatch(entries_[i - 1].bytes, entries_[i].bytes);
        entries_[i].shared = static_cast<std::uint32_t>(b - entries_[i].bytes.begin());
    }
}

}  // namespace weft
