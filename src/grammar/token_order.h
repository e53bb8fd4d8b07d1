#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace weft {

// The tokens of a vocabulary by their bytes, so that those with a common beginning are looked at together. Constant;
// borrows the bytes.
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

  private:
    std::vector<Entry> entries_;
};

}  // namespace weft
