#include <algorithm>

#include "jinja/builtin.h"
#include "base/formatted.h"
#include "jinja/json.h"
#include "jinja/python_text.h"
#include "jinja/render.h"
#include "jinja/text_format.h"
#include "jinja/text_tools.h"
#include "jinja/unicode.h"

namespace weft::jinja {

namespace {

// The subject as text; what is marked safe stays so.
Outcome<Value> soft_text(const Call& call) {
    if (call.subject.is_string()) return call.subject;
    return to_str(call.meter(), call.subject).transform(Value::string);
}

// The filters that are a method of text.
Outcome<Value> call_method(Call& call, std::string_view name, Arguments arguments = {}) {
    WEFT_TRY(const Value text, soft_text(call));
    return invoke(call.render, *find_method(text, name), text, arguments);
}

Outcome<Value> upper(Call& call) { return call_method(call, "upper"); }
Outcome<Value> lower(Call& call) { return call_method(call, "lower"); }
Outcome<Value> capitalize(Call& call) { return call_method(call, "capitalize"); }
Outcome<Value> trim(Call& call) { return call_method(call, "strip", call.has(0) ? Arguments{{call.at(0)}} : Arguments{}); }

Outcome<Value> center(Call& call) {
    return call_method(call, "center", {{call.has(0) ? call.at(0) : Value::integer(80)}});
}

// Unlike str.title, a word begins only behind whitespace, - and opening brackets.
Outcome<Value> title(Call& call) {
    WEFT_TRY(const Value text, soft_text(call));
    const auto begins_word = [](char32_t c) { return is_space(c) || std::u32string_view(U"-({[<").contains(c); };
    std::string out;
    bool at_start = true;
    for (std::size_t at = 0; at < text.as_string().size();) {
        const std::size_t start = at;
        const char32_t c = decode_utf8(text.as_string(), at);
        const auto bytes = text.as_string().substr(start, at - start);
        out += at_start ? to_upper(bytes) : to_lower(bytes);
        at_start = begins_word(c);
    }
    return call.render.new_text(std::move(out));
}

Outcome<Value> string(Call& call) { return soft_text(call); }

Outcome<Value> safe(Call& call) {
    return to_str(call.meter(), call.subject).transform(Value::markup);
}

Outcome<Value> escape(Call& call) {
    return escaped(call.meter(), call.subject).transform(Value::markup);
}

Outcome<Value> forceescape(Call& call) {
    return to_str(call.meter(), call.subject).transform(escape_html).transform(Value::markup);
}

Outcome<Value> replace(Call& call) {
    WEFT_TRY(const std::string text, to_str(call.meter(), call.subject));
    WEFT_TRY(const std::string old, to_str(call.meter(), call.at(0)));
    WEFT_TRY(const std::string with, to_str(call.meter(), call.at(1)));
    const bool unlimited = !call.has(2) || call.at(2).is_none();
    WEFT_TRY(const std::int64_t limit, unlimited ? Outcome<std::int64_t>(-1) : call.integer(2, -1));
    WEFT_CHECK(call.meter().work(static_cast<std::size_t>(count_text(text, old)) * with.size()));
    return call.render.new_text(replace_all(text, old, with, limit));
}

Outcome<Value> indent(Call& call) {
    if (!call.subject.is_string()) return raise(formatted("indent of {}", type_name(call.subject)));
    std::string indention(4, ' ');
    if (call.has(0) && call.at(0).is_string()) {
        indention = call.at(0).as_string();
    } else if (call.has(0)) {
        WEFT_TRY(const std::int64_t width, call.integer(0, 4));
        WEFT_CHECK(call.meter().work(static_cast<std::size_t>(std::max<std::int64_t>(width, 0))));
        indention.assign(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)), ' ');
    }
    const bool first = call.flag(1), blank = call.flag(2);
    const std::string text = std::string(call.subject.as_string()) + "\n";  // the last line counts though it be empty
    const auto lines = split_lines(text);
    WEFT_CHECK(call.meter().work(text.size() + lines.size() * indention.size()));
    std::string out;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (i) out += '\n';
        if (i == 0 ? first : blank || !lines[i].empty()) out += indention;
        out += lines[i];
    }
    return call.render.new_text(std::move(out), call.subject.is_markup());
}

Outcome<Value> truncate(Call& call) {
    WEFT_TRY(const Value text, soft_text(call));
    WEFT_TRY(const std::int64_t length, call.integer(0, 255));
    WEFT_TRY(const auto end, call.text(2, "..."));
    WEFT_TRY(const std::int64_t leeway, call.integer(3, 5));
    const auto bytes = text.as_string();
    const auto end_length = static_cast<std::int64_t>(count_characters(end));
    if (length < end_length || leeway < 0) return raise("truncate to less than its end mark");
    if (static_cast<std::int64_t>(count_characters(bytes)) <= length + leeway) return text;
    auto kept = bytes.substr(0, offset_of_character(bytes, static_cast<std::size_t>(length - end_length)));
    if (!call.flag(1)) kept = kept.substr(0, kept.rfind(' '));
    return call.render.new_text(std::string(kept) + std::string(end), text.is_markup());
}

Outcome<Value> wordcount(Call& call) {
    WEFT_TRY(const Value text, soft_text(call));
    const auto is_word = [](char32_t c) { return is_alpha(c) || is_digit(c) || c == '_'; };
    std::int64_t words = 0;
    bool inside = false;
    for (std::size_t at = 0; at < text.as_string().size();) {
        const bool now = is_word(decode_utf8(text.as_string(), at));
        words += now && !inside;
        inside = now;
    }
    return Value::integer(words);
}

Outcome<Value> format(Call& call) {
    WEFT_TRY(const Value text, soft_text(call));
    if (call.given.named.empty()) return printf_format(call.meter(), text, Value::tuple(call.given.positional));
    if (!call.given.positional.empty()) return raise("can't handle positional and keyword arguments at the same time");
    Dict values;
    for (const auto& [name, value] : call.given.named) values.set(name, value);
    return printf_format(call.meter(), text, Value::dict(std::move(values)));
}

Outcome<void> read_separators(const Call& call, JsonStyle& style) {
    if (style.multiline) style.item_separator = ",";
    if (!call.has(2) || call.at(2).is_none()) return {};
    const bool pair = call.at(2).is_sequence() && call.at(2).as_sequence().items.size() == 2 &&
                      std::ranges::all_of(call.at(2).as_sequence().items, &Value::is_string);
    if (!pair) return raise("separators must be two strings");
    style.item_separator = call.at(2).as_sequence().items[0].as_string();
    style.key_separator = call.at(2).as_sequence().items[1].as_string();
    return {};
}

Outcome<Value> tojson(Call& call) {
    JsonStyle style;
    style.ensure_ascii = call.flag(0);
    style.sort_keys = call.flag(3);
    if (call.has(1) && !call.at(1).is_none()) {
        style.multiline = true;
        if (call.at(1).is_string()) {
            style.indent = call.at(1).as_string();
        } else {
            WEFT_TRY(const std::int64_t width, call.integer(1, 0));
            if (width > 64) return raise("tojson with an indent of more than 64");
            style.indent.assign(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)), ' ');
        }
    }
    WEFT_CHECK(read_separators(call, style));
    // Every scalar may stand on a line of its own, indented by its depth.
    const auto levels = static_cast<std::size_t>(call.subject.depth());
    const std::size_t per_item = style.item_separator.size() + style.key_separator.size() + style.indent.size() * levels;
    std::size_t most = 0;
    if (__builtin_mul_overflow(call.subject.weight(), 2 + per_item / 4, &most)) most = call.subject.weight();
    WEFT_CHECK(call.meter().work(most));
    std::string text;
    WEFT_CHECK(append_json(text, call.subject, style));
    return call.render.new_text(std::move(text));
}

constexpr Builtin text_filter_table[] = {
    {"tojson", "ensure_ascii? indent? separators? sort_keys?", tojson},
    {"trim", "chars?", trim},
    {"upper", "", upper},
    {"lower", "", lower},
    {"capitalize", "", capitalize},
    {"title", "", title},
    {"string", "", string},
    {"safe", "", safe},
    {"escape", "", escape},
    {"e", "", escape},
    {"forceescape", "", forceescape},
    {"replace", "old new count?", replace},
    {"indent", "width? first? blank?", indent},
    {"center", "width?", center},
    {"truncate", "length? killwords? end? leeway?", truncate},
    {"wordcount", "", wordcount},
    {"format", "*", format},
};

}  // namespace

BuiltinTable text_filters() { return text_filter_table; }

}  // namespace weft::jinja
