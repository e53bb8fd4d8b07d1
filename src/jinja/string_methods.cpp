#include <algorithm>

#include "jinja/access.h"
#include "base/formatted.h"
#include "jinja/builtin.h"
#include "jinja/python_text.h"
#include "jinja/render.h"
#include "jinja/text_format.h"
#include "jinja/text_tools.h"
#include "jinja/unicode.h"

namespace weft::jinja {

namespace {

// Methods of marked-safe text give marked-safe text.
Outcome<Value> like_subject(const Call& call, std::string text) {
    return call.render.new_text(std::move(text), call.subject.is_markup());
}

std::string_view subject(const Call& call) { return call.subject.as_string(); }

template <std::string (*convert)(std::string_view)>
Outcome<Value> converted(Call& call) {
    WEFT_CHECK(call.meter().work(subject(call).size()));
    return like_subject(call, convert(subject(call)));
}

template <Side side>
Outcome<Value> stripped(Call& call) {
    std::optional<std::string_view> chars;
    if (call.has(0) && !call.at(0).is_none()) {
        WEFT_TRY(chars, call.text(0));
        WEFT_CHECK(call.meter().work(chars->size() * subject(call).size() / 16));
    }
    return like_subject(call, std::string(strip(subject(call), chars, side)));
}

Outcome<Value> parts(const Call& call, const std::vector<std::string_view>& views) {
    WEFT_CHECK(call.meter().work(subject(call).size() + views.size() * 2 * sizeof(Value)));
    std::vector<Value> items;
    items.reserve(views.size());
    for (const auto view : views)
        items.push_back(call.subject.is_markup() ? Value::markup(std::string(view)) : Value::string(std::string(view)));
    return call.render.new_list(std::move(items));
}

template <bool from_right>
Outcome<Value> split(Call& call) {
    WEFT_TRY(const std::int64_t limit, call.integer(1, -1));
    WEFT_CHECK(call.meter().work(subject(call).size()));
    if (!call.has(0) || call.at(0).is_none())
        return parts(call, split_words(subject(call), limit, from_right && limit >= 0));
    WEFT_TRY(const auto separator, call.text(0));
    if (separator.empty()) return raise("empty separator");
    if (from_right && separator.size() > short_part_bytes) {
        const auto most = static_cast<std::size_t>(std::max<std::int64_t>(limit, 0));
        const std::size_t splits = std::min(most, subject(call).size() / separator.size());
        WEFT_CHECK(call.meter().work(splits * subject(call).size()));
    }
    return parts(call, split_at(subject(call), separator, limit, from_right));
}

Outcome<Value> splitlines(Call& call) { return parts(call, split_lines(subject(call), call.flag(0))); }

template <bool from_right>
Outcome<Value> partition(Call& call) {
    WEFT_TRY(const auto separator, call.text(0));
    if (separator.empty()) return raise("empty separator");
    const auto text = subject(call);
    const std::size_t found = from_right ? rfind_text(text, separator) : find_text(text, separator);
    const auto piece = [&](std::string_view view) {
        return call.subject.is_markup() ? Value::markup(std::string(view)) : Value::string(std::string(view));
    };
    WEFT_CHECK(call.meter().work(text.size()));
    std::vector<Value> items;
    if (found != text.npos) items = {piece(text.substr(0, found)), piece(separator), piece(text.substr(found + separator.size()))};
    else if (from_right) items = {piece(""), piece(""), piece(text)};
    else items = {piece(text), piece(""), piece("")};
    return call.render.new_sequence({SequenceType::tuple, std::move(items)});
}

Outcome<Value> str_replace(Call& call) {
    WEFT_TRY(const auto old, call.text(0));
    WEFT_TRY(auto with, call.text(1));
    WEFT_TRY(const std::int64_t limit, call.integer(2, -1));
    const std::string safe = call.subject.is_markup() && !call.at(1).is_markup() ? escape_html(with) : std::string();
    if (!safe.empty()) with = safe;
    const auto places = static_cast<std::size_t>(count_text(subject(call), old));
    WEFT_CHECK(call.meter().work(subject(call).size() + places * with.size()));
    return like_subject(call, replace_all(subject(call), old, with, limit));
}

Outcome<Value> str_join(Call& call) {
    WEFT_TRY(const auto items, iterate(call.render, call.at(0)));
    std::string out;
    for (std::size_t i = 0; i < items->items.size(); ++i) {
        const Value& item = items->items[i];
        if (!item.is_string() && !call.subject.is_markup())
            return raise(formatted("sequence item {}: expected str instance, {} found", i, type_name(item)));
        WEFT_CHECK(call.meter().work(subject(call).size() + item.weight()));
        if (i) out += subject(call);
        if (call.subject.is_markup()) {
            WEFT_TRY(const std::string safe, escaped(call.meter(), item));
            out += safe;
        } else {
            out += item.as_string();
        }
    }
    return like_subject(call, std::move(out));
}

template <Side text_side>
Outcome<Value> padded_to(Call& call) {
    WEFT_TRY(const std::int64_t width, call.integer(0, 0));
    WEFT_TRY(const auto fill, call.text(1, " "));
    if (count_characters(fill) != 1) return raise("The fill character must be exactly one character long");
    WEFT_CHECK(call.meter().work(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)) * fill.size()));
    return like_subject(call, padded(subject(call), width, fill, text_side));
}

Outcome<Value> zfill(Call& call) {
    WEFT_TRY(const std::int64_t width, call.integer(0, 0));
    WEFT_CHECK(call.meter().work(static_cast<std::size_t>(std::max<std::int64_t>(width, 0))));
    auto text = subject(call);
    const bool sign = text.starts_with('-') || text.starts_with('+');
    const auto head = text.substr(0, sign ? 1 : 0);
    text.remove_prefix(head.size());
    return like_subject(call, std::string(head) + padded(text, width - (sign ? 1 : 0), "0", Side::right));
}

Outcome<Value> removeprefix(Call& call) {
    WEFT_TRY(const auto prefix, call.text(0));
    const auto text = subject(call);
    return like_subject(call, std::string(text.starts_with(prefix) ? text.substr(prefix.size()) : text));
}

Outcome<Value> removesuffix(Call& call) {
    WEFT_TRY(const auto suffix, call.text(0));
    const auto text = subject(call);
    return like_subject(call, std::string(text.ends_with(suffix) ? text.substr(0, text.size() - suffix.size()) : text));
}

Outcome<Value> expandtabs(Call& call) {
    WEFT_TRY(const std::int64_t width, call.integer(0, 8));
    if (width > 1024) return raise("expandtabs() with tabs wider than 1024 characters");
    std::string out;
    std::int64_t column = 0;
    for (std::size_t at = 0; at < subject(call).size();) {
        const std::size_t start = at;
        const char32_t c = decode_utf8(subject(call), at);
        const std::int64_t spaces = c == '\t' && width > 0 ? width - column % width : 0;
        WEFT_CHECK(call.meter().work(static_cast<std::size_t>(spaces) + 1));
        out.append(static_cast<std::size_t>(spaces), ' ');
        if (c != '\t') out += subject(call).substr(start, at - start);
        column = c == '\n' || c == '\r' ? 0 : column + (c == '\t' ? spaces : 1);
    }
    return like_subject(call, std::move(out));
}

Outcome<Value> str_format(Call& call) { return brace_format(call.meter(), call.subject, call.given); }

constexpr Builtin string_method_table[] = {
    {"strip", "chars?", stripped<Side::both>},
    {"lstrip", "chars?", stripped<Side::left>},
    {"rstrip", "chars?", stripped<Side::right>},
    {"split", "sep? maxsplit?", split<false>},
    {"rsplit", "sep? maxsplit?", split<true>},
    {"splitlines", "keepends?", splitlines},
    {"partition", "sep", partition<false>},
    {"rpartition", "sep", partition<true>},
    {"replace", "old new count?", str_replace},
    {"join", "iterable", str_join},
    {"upper", "", converted<to_upper>},
    {"lower", "", converted<to_lower>},
    {"casefold", "", converted<to_lower>},
    {"title", "", converted<to_title>},
    {"capitalize", "", converted<to_capitalized>},
    {"swapcase", "", converted<to_swapped_case>},
    {"removeprefix", "prefix", removeprefix},
    {"removesuffix", "suffix", removesuffix},
    {"center", "width fillchar?", padded_to<Side::both>},
    {"ljust", "width fillchar?", padded_to<Side::left>},
    {"rjust", "width fillchar?", padded_to<Side::right>},
    {"zfill", "width", zfill},
    {"expandtabs", "tabsize?", expandtabs},
    {"format", "*", str_format},
};

}  // namespace

BuiltinTable string_methods() { return string_method_table; }

}  // namespace weft::jinja
