#include <algorithm>

#include "jinja/builtin.h"
#include "base/formatted.h"
#include "jinja/meter.h"
#include "jinja/python_text.h"
#include "jinja/text_tools.h"
#include "jinja/unicode.h"

namespace weft::jinja {

namespace {

// The part of the text that start and end, counted in characters, choose.
struct Window {
    std::string_view text;
    std::size_t skipped_characters = 0;
    bool valid = true;  // false when start lies behind the end: then not even "" is found
};

Outcome<std::int64_t> edge(const Call& call, std::size_t parameter, std::int64_t fallback, std::int64_t size) {
    if (!call.has(parameter) || call.at(parameter).is_none()) return fallback;
    WEFT_TRY(const std::int64_t index, call.integer(parameter, 0));
    return index < 0 ? std::max<std::int64_t>(index + size, 0) : index;
}

Outcome<Window> window_of(const Call& call) {
    const auto text = call.subject.as_string();
    WEFT_CHECK(call.meter().work(text.size()));
    if (!call.has(1) && !call.has(2)) return Window{text};
    const auto size = static_cast<std::int64_t>(count_characters(text));
    WEFT_TRY(const std::int64_t start, edge(call, 1, 0, size));
    WEFT_TRY(const std::int64_t given_end, edge(call, 2, size, size));
    const std::int64_t end = std::min(given_end, size);
    if (start > end) return Window{{}, 0, false};
    const auto from = text.substr(offset_of_character(text, static_cast<std::size_t>(start)));
    return Window{from.substr(0, offset_of_character(from, static_cast<std::size_t>(end - start))),
                  static_cast<std::size_t>(start)};
}

template <bool from_right>
Outcome<std::int64_t> place_of(Call& call) {
    WEFT_TRY(const auto part, call.text(0));
    WEFT_TRY(const Window window, window_of(call));
    if (!window.valid) return -1;
    const std::size_t at = from_right ? rfind_text(window.text, part) : find_text(window.text, part);
    if (at == window.text.npos) return -1;
    return static_cast<std::int64_t>(window.skipped_characters + count_characters(window.text.substr(0, at)));
}

template <bool from_right>
Outcome<Value> find(Call& call) {
    return place_of<from_right>(call).transform(Value::integer);
}

template <bool from_right>
Outcome<Value> index(Call& call) {
    WEFT_TRY(const std::int64_t place, place_of<from_right>(call));
    if (place < 0) return raise("substring not found");
    return Value::integer(place);
}

Outcome<Value> count(Call& call) {
    WEFT_TRY(const auto part, call.text(0));
    WEFT_TRY(const Window window, window_of(call));
    return Value::integer(window.valid ? count_text(window.text, part) : 0);
}

template <bool at_end>
Outcome<bool> matches(const Window& window, const Value& affix) {
    if (!affix.is_string())
        return raise(formatted("{} first arg must be str or a tuple of str, not {}", at_end ? "endswith" : "startswith",
                                 type_name(affix)));
    return window.valid &&
           (at_end ? window.text.ends_with(affix.as_string()) : window.text.starts_with(affix.as_string()));
}

template <bool at_end>
Outcome<Value> has_affix(Call& call) {
    WEFT_TRY(const Window window, window_of(call));
    const Value& affix = call.at(0);
    if (!affix.is_sequence() || affix.as_sequence().type != SequenceType::tuple)
        return matches<at_end>(window, affix).transform(Value::boolean);
    for (const Value& one : affix.as_sequence().items) {
        WEFT_TRY(const bool match, matches<at_end>(window, one));
        if (match) return Value::boolean(true);
    }
    return Value::boolean(false);
}

bool is_alnum(char32_t c) { return is_alpha(c) || is_digit(c); }
bool is_decimal_digit(char32_t c) { return c >= '0' && c <= '9'; }
bool is_ascii_character(char32_t c) { return c < 0x80; }

template <bool (*predicate)(char32_t), bool of_empty>
Outcome<Value> all_are(Call& call) {
    const auto text = call.subject.as_string();
    WEFT_CHECK(call.meter().work(text.size()));
    if (text.empty()) return Value::boolean(of_empty);
    for (std::size_t at = 0; at < text.size();)
        if (!predicate(decode_utf8(text, at))) return Value::boolean(false);
    return Value::boolean(true);
}

// At least one cased letter, and none of the other case.
template <bool (*wanted)(char32_t), bool (*unwanted)(char32_t)>
Outcome<Value> cased(Call& call) {
    const auto text = call.subject.as_string();
    WEFT_CHECK(call.meter().work(text.size()));
    bool any = false;
    for (std::size_t at = 0; at < text.size();) {
        const char32_t c = decode_utf8(text, at);
        if (unwanted(c)) return Value::boolean(false);
        any |= wanted(c);
    }
    return Value::boolean(any);
}

Outcome<Value> istitle(Call& call) {
    const auto text = call.subject.as_string();
    WEFT_CHECK(call.meter().work(text.size()));
    bool any = false, inside_word = false;
    for (std::size_t at = 0; at < text.size();) {
        const char32_t c = decode_utf8(text, at);
        if ((is_upper(c) && inside_word) || (is_lower(c) && !inside_word)) return Value::boolean(false);
        inside_word = is_upper(c) || is_lower(c);
        any |= inside_word;
    }
    return Value::boolean(any);
}

Outcome<Value> isidentifier(Call& call) {
    const auto text = call.subject.as_string();
    WEFT_CHECK(call.meter().work(text.size()));
    if (text.empty() || is_decimal_digit(static_cast<unsigned char>(text.front()))) return Value::boolean(false);
    for (std::size_t at = 0; at < text.size();)
        if (const char32_t c = decode_utf8(text, at); !is_alnum(c) && c != '_') return Value::boolean(false);
    return Value::boolean(true);
}

constexpr Builtin string_search_method_table[] = {
    {"startswith", "prefix start? end?", has_affix<false>},
    {"endswith", "suffix start? end?", has_affix<true>},
    {"find", "sub start? end?", find<false>},
    {"rfind", "sub start? end?", find<true>},
    {"index", "sub start? end?", index<false>},
    {"rindex", "sub start? end?", index<true>},
    {"count", "sub start? end?", count},
    {"isalpha", "", all_are<is_alpha, false>},
    {"isalnum", "", all_are<is_alnum, false>},
    {"isdigit", "", all_are<is_digit, false>},
    {"isdecimal", "", all_are<is_decimal_digit, false>},
    {"isnumeric", "", all_are<is_digit, false>},
    {"isspace", "", all_are<is_space, false>},
    {"isascii", "", all_are<is_ascii_character, true>},
    {"isprintable", "", all_are<is_printable, true>},
    {"islower", "", cased<is_lower, is_upper>},
    {"isupper", "", cased<is_upper, is_lower>},
    {"istitle", "", istitle},
    {"isidentifier", "", isidentifier},
};

}  // namespace

BuiltinTable string_search_methods() { return string_search_method_table; }

}  // namespace weft::jinja
