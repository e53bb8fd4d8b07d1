#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace weft::gotemplate {

enum class TokenKind : std::uint8_t {
    text,        // outside of actions, already trimmed
    open,        // {{
    close,       // }}
    word,        // keyword, function, true, false, nil
    dot,         // . alone
    field,       // .Name; text is the name
    variable,    // $name; text without the $, empty for $ alone
    string,      // text is what the literal means
    integer,
    real,
    pipe,
    left,        // (
    right,       // )
    comma,
    declare,     // :=
    assign,      // =
    end,
};

struct Lexeme {
    TokenKind kind = TokenKind::end;
    std::string text{};
    std::int64_t integer = 0;
    double real = 0;
    bool after_space = false;  // white space before it: ".A .B" are two operands, ".A.B" is one
    std::size_t offset = 0;    // in the source
    std::uint32_t line = 1;
};

// invalid_request with the line.
[[nodiscard]] Result<std::vector<Lexeme>> lex(std::string_view source);

[[nodiscard]] std::unexpected<Error> fail_at(std::uint32_t line, std::string_view message);

}  // namespace weft::gotemplate
