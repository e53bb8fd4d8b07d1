#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/failure.h"
#include "jinja/value.h"

namespace weft::jinja {

enum class TokenType : std::uint8_t {
    data,            // text outside of tags; Token::text
    print_begin,     // {{
    print_end,       // }}
    block_begin,     // {%
    block_end,       // %}
    name,            // Token::text
    string,          // Token::text, escapes resolved
    number,          // Token::number
    symbol,          // an operator or a bracket; Token::text
    end_of_template,
};

struct Token {
    TokenType type = TokenType::end_of_template;
    std::string text{};
    Value number{};
    int line = 1;

    [[nodiscard]] bool is_symbol(std::string_view symbol) const { return type == TokenType::symbol && text == symbol; }
    [[nodiscard]] bool is_name(std::string_view name) const { return type == TokenType::name && text == name; }
};

// A syntax error and where it is.
struct SyntaxError {
    std::string message;
    int line = 1;
};

template <typename T>
using Parsed = std::expected<T, SyntaxError>;

// The whole template as tokens, the last one end_of_template. Whitespace is already settled: trim_blocks, lstrip_blocks,
// the - and + of tags, comments and raw blocks leave no trace but the data tokens.
[[nodiscard]] Parsed<std::vector<Token>> tokenize(std::string_view source);

// For messages: "string 'abc'", "end of template".
[[nodiscard]] std::string describe(const Token& token);

}  // namespace weft::jinja
