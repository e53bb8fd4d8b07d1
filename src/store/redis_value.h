#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <vector>

namespace weft {

// What a Redis server answered. What is not there, or of another kind, reads as nothing: the server is trusted to be
// there, not to be right.
struct RedisValue {
    enum class Kind : std::uint8_t { nothing, number, text, list };
    Kind kind = Kind::nothing;
    std::int64_t number = 0;
    std::string text{};
    std::vector<RedisValue> items{};

    // Numbers come as such or as digits.
    [[nodiscard]] std::int64_t integer() const {
        std::int64_t value = number;
        if (kind == Kind::text) std::from_chars(text.data(), text.data() + text.size(), value);
        return value;
    }
    [[nodiscard]] const RedisValue& at(std::size_t index) const {
        static const RedisValue nothing;
        return index < items.size() ? items[index] : nothing;
    }
};

}  // namespace weft
