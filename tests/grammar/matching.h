#pragma once

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <string_view>

#include "grammar/gbnf_builder.h"
#include "grammar/grammar.h"
#include "grammar/matcher.h"

namespace weft::test {

inline GrammarMatcher matcher_for(std::string_view gbnf) {
    const auto grammar = Grammar::parse(gbnf);
    INFO((grammar ? "" : grammar.error().message));
    REQUIRE(grammar);
    return GrammarMatcher(*grammar);
}

// The whole text, no more and no less.
inline bool takes(std::string_view gbnf, std::string_view text) {
    auto matcher = matcher_for(gbnf);
    return matcher.accept(text) && matcher.can_end();
}

inline std::string why_not(std::string_view gbnf) {
    const auto grammar = Grammar::parse(gbnf);
    return grammar ? "" : grammar.error().message;
}

inline Result<std::string> gbnf_for(std::string_view schema, Unenforceable unenforceable = Unenforceable::refuse) {
    GbnfBuilder builder(unenforceable);
    WEFT_TRY(const auto rule, builder.add_schema(schema));
    return std::move(builder).finish(rule);
}

// Whether the schema's grammar takes the text.
inline bool allows(std::string_view schema, std::string_view text) {
    const auto gbnf = gbnf_for(schema);
    INFO((gbnf ? *gbnf : gbnf.error().message));
    REQUIRE(gbnf);
    return takes(*gbnf, text);
}

inline std::string refusal(std::string_view schema) {
    const auto gbnf = gbnf_for(schema);
    if (!gbnf) return gbnf.error().message;
    return why_not(*gbnf);
}

}  // namespace weft::test
