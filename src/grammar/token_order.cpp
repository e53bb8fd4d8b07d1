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
    // The beginnings that the entries before still have, by length: places in ends_.
    std::vector<std::uint32_t> open;
    const auto close = [&](std::size_t length, std::size_t at) {
        for (; open.size() > length; open.pop_back()) ends_[open.back()] = static_cast<std::uint32_t>(at);
    };
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        close(entries_[i].shared, i);
        first_end_.push_back(static_cast<std::uint32_t>(ends_.size()));
        for (; open.size() < entries_[i].bytes.size(); ends_.push_back(0)) open.push_back(static_cast<std::uint32_t>(ends_.size()));
    }
    close(0, entries_.size());
}

}  // namespace weft
