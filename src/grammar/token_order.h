#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace weft {

// The tokens of a vocabulary by their bytes, so that those with a common beginning are looked at together, or passed over
// together. Constant; borrows the bytes.
class TokenOrder {
  public:
    struct Entry {
        std::string_view bytes;
        std::int32_t token;
        std::uint32_t shared;  // bytes that it has in common with the entry before
    };
    // bytes[i]: of token i; tokens without bytes are left out.
    explicit TokenOrder(const std::vector<std::string_view>& bytes);

    [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
    // The first entry behind this one that does not begin with its first n bytes. shared < n <= size of its bytes.
    [[nodiscard]] std::size_t behind(std::size_t entry, std::size_t n) const {
        return ends_[first_end_[entry] + n - entries_[entry].shared - 1];
    }

  private:
    std::vector<Entry> entries_;
    std::vector<std::uint32_t> ends_;       // of each beginning that an entry is the first to have, by length
    std::vector<std::uint32_t> first_end_;  // of each entry, into ends_
};

}  // namespace weft
