#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace weft::gotemplate {

struct Literal {
    std::string text;             // what it means
    std::int64_t character = 0;   // of 'x'
    bool is_character = false;
    std::size_t length = 0;       // in the source
};

// "text" with Go's escapes, `raw text` or 'c', at the front of `source`. The error says what is wrong.
[[nodiscard]] std::expected<Literal, std::string> read_literal(std::string_view source);

struct Number {
    std::int64_t integer = 0;
    double real = 0;
    bool is_integer = false;
    std::size_t length = 0;
};

// 12, -0x1F, 0b1, 1_000, 1.5e3 at the front of `source`.
[[nodiscard]] std::expected<Number, std::string> read_number(std::string_view source);

}  // namespace weft::gotemplate
