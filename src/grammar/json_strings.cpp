#include "grammar/json_strings.h"

#include <algorithm>
#include <array>

#include "grammar/gbnf_builder.h"

namespace weft {
namespace {

constexpr char32_t first_printable = 0x20;
// More members than this come from a complement ([^,], '.', \S): control characters are not what was meant.
constexpr std::uint32_t nearly_all = 10'000;

constexpr std::string_view char_body =
    R"([^"\\\x00-\x1F\x7F] | "\\" (["\\/bfnrt] | "u" ([0-9A-Ca-cEeFf] [0-9A-Fa-f]{3} | [Dd] [0-7] [0-9A-Fa-f]{2})))";

std::string short_escape(char32_t c) {
    switch (c) {
        case U'\b': return "\\b";
        case U'\f': return "\\f";
        case U'\n': return "\\n";
        case U'\r': return "\\r";
        case U'\t': return "\\t";
        case U'"': return "\\\"";
        case U'\\': return "\\\\";
        default: return {};
    }
}

std::string control_escape(char32_t c) {
    constexpr std::string_view digits = "0123456789abcdef";
    return std::string("\\u00") + digits[(c >> 4U) & 15U] + digits[c & 15U];
}

bool is_usual(char32_t c) { return c == U'\n' || c == U'\r' || c == U'\t'; }

// Dates that exist: the validators of other people check the days of a month.
#define WEFT_YEAR R"(([1-9][0-9][0-9][0-9] | "0" [1-9][0-9][0-9] | "00" [1-9][0-9] | "000" [1-9]))"
#define WEFT_LEAP R"((([1-9][0-9] | "0"[1-9]) ("0"[48] | [2468][048] | [13579][26]) | ("0"[48] | [2468][048] | [13579][26]) "00"))"
#define WEFT_DATE                                                                                             \
    "(" WEFT_YEAR R"("-" (("0"[13578] | "1"[02]) "-" ("0"[1-9] | [12][0-9] | "3"[01]))" \
    R"( | ("0"[469] | "11") "-" ("0"[1-9] | [12][0-9] | "30") | "02-" ("0"[1-9] | "1"[0-9] | "2"[0-8])))" " | " WEFT_LEAP R"("-02-29"))"
#define WEFT_TIME \
    R"(([01][0-9] | "2"[0-3]) ":" [0-5][0-9] ":" [0-5][0-9] ("." [0-9]{1,6})? ("Z" | [+-] ([01][0-9] | "2"[0-3]) ":" [0-5][0-9]))"
#define WEFT_LABEL R"([a-z0-9] ([a-z0-9-]{0,30} [a-z0-9])?)"
#define WEFT_HOST WEFT_LABEL " (\".\" " WEFT_LABEL "){0,4}"
#define WEFT_OCTET R"(("25"[0-5] | "2"[0-4][0-9] | "1"[0-9][0-9] | [1-9]?[0-9]))"
#define WEFT_URI_CHAR R"(([A-Za-z0-9._~!$&'()*+,;=:@/?-] | "%" [0-9A-Fa-f]{2}))"

constexpr std::array formats{
    StringFormat{"date", WEFT_DATE, 10, 10},
    StringFormat{"time", WEFT_TIME, 9, 21},
    StringFormat{"date-time", WEFT_DATE " \"T\" " WEFT_TIME, 20, 32},
    StringFormat{"duration",
                 R"("P" ([0-9]{1,4} ("Y" ([0-9]{1,4} "M" ([0-9]{1,4} "D")?)? | "M" ([0-9]{1,4} "D")? | "D") ("T" [0-9]{1,4} ("H" ([0-9]{1,4} "M" ([0-9]{1,4} "S")?)? | "M" ([0-9]{1,4} "S")? | "S"))? | "T" [0-9]{1,4} ("H" ([0-9]{1,4} "M" ([0-9]{1,4} "S")?)? | "M" ([0-9]{1,4} "S")? | "S") | [0-9]{1,4} "W"))",
                 3, 32},
    StringFormat{"uuid", R"([0-9a-f]{8} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{12})", 36, 36},
    StringFormat{"uuid4", R"([0-9a-f]{8} "-" [0-9a-f]{4} "-4" [0-9a-f]{3} "-" [89ab] [0-9a-f]{3} "-" [0-9a-f]{12})", 36, 36},
    StringFormat{"email", R"([A-Za-z0-9] ([A-Za-z0-9_+-] | "." [A-Za-z0-9]){0,31} "@" )" WEFT_LABEL R"( ("." )" WEFT_LABEL R"(){0,3} "." [a-z]{2,10})",
                 6, 65 + 32 + 4 * 33},
    StringFormat{"hostname", WEFT_HOST, 1, 5 * 33},
    StringFormat{"ipv4", WEFT_OCTET " \".\" " WEFT_OCTET " \".\" " WEFT_OCTET " \".\" " WEFT_OCTET, 7, 15},
    StringFormat{"ipv6",
                 R"(([0-9a-f]{1,4} ":"){7} [0-9a-f]{1,4} | "::" | ([0-9a-f]{1,4} ":"){1,6} ":" [0-9a-f]{1,4} | "::" ([0-9a-f]{1,4} ":"){0,5} [0-9a-f]{1,4})",
                 2, 39},
    StringFormat{"uri", R"("http" "s"? "://" )" WEFT_HOST R"( (":" [1-9][0-9]{1,3})? ("/" )" WEFT_URI_CHAR
                 R"(*)? ("#" )" WEFT_URI_CHAR R"(*)? | [a-z][a-z0-9]{1,20} ":" [A-Za-z0-9] )" WEFT_URI_CHAR "*",
                 4, ~0U},
    StringFormat{"uri-reference", R"(("http" "s"? "://" )" WEFT_HOST R"()? "/" )" WEFT_URI_CHAR "*", 1, ~0U},
    StringFormat{"json-pointer", R"(("/" ([A-Za-z0-9_.-] | "~" [01])*)*)", 0, ~0U},
    StringFormat{"byte", R"(([A-Za-z0-9+/]{4})* ([A-Za-z0-9+/]{2} "==" | [A-Za-z0-9+/]{3} "=")?)", 0, ~0U},
};

}  // namespace

std::string add_json_char(GbnfBuilder& builder) { return builder.add_shared_rule("char", std::string(char_body)); }

std::string json_characters(const CodePointSet& set) {
    auto plain = set;
    plain.remove({0, first_printable - 1});
    plain.remove({U'"', U'"'});
    plain.remove({U'\\', U'\\'});
    std::string text = plain.empty() ? "" : plain.gbnf();
    const auto alternative = [&](const std::string& written) {
        text += (text.empty() ? "" : " | ") + GbnfBuilder::literal(written);
    };
    const bool most = set.size() >= nearly_all;
    bool several = false;
    const auto escape = [&](char32_t c) {
        if (!set.contains(c)) return;
        several = several || !text.empty();
        const auto brief = short_escape(c);
        alternative(brief.empty() ? control_escape(c) : brief);
    };
    for (char32_t c = 0; c < first_printable; ++c)
        if (!most || is_usual(c)) escape(c);
    escape(U'"');
    escape(U'\\');
    return several ? "(" + text + ")" : text;
}

const StringFormat* find_format(std::string_view name) {
    const auto found = std::ranges::find(formats, name, &StringFormat::name);
    return found == formats.end() ? nullptr : &*found;
}

}  // namespace weft
