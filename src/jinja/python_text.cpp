#include "jinja/python_text.h"

#include <charconv>
#include <cmath>

#include "base/formatted.h"
#include "jinja/object.h"
#include "jinja/unicode.h"

namespace weft::jinja {

namespace {

void append_repr(std::string& out, const Value& value);

void append_items(std::string& out, const std::vector<Value>& items) {
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (i) out += ", ";
        append_repr(out, items[i]);
    }
}

void append_enclosed(std::string& out, std::string_view open, const std::vector<Value>& items, std::string_view close) {
    out += open;
    append_items(out, items);
    out += close;
}

void append_range(std::string& out, const std::vector<Value>& items) {
    if (items.empty()) {
        out += "range(0, 0)";
        return;
    }
    const auto first = items.front().as_integer();
    const auto step = items.size() > 1 ? items[1].as_integer() - first : 1;
    const auto stop = items.back().as_integer() + step;
    out += step == 1 ? formatted("range({}, {})", first, stop) : formatted("range({}, {}, {})", first, stop, step);
}

void append_sequence(std::string& out, const Sequence& sequence) {
    switch (sequence.type) {
        case SequenceType::list: return append_enclosed(out, "[", sequence.items, "]");
        case SequenceType::tuple: return append_enclosed(out, "(", sequence.items, sequence.items.size() == 1 ? ",)" : ")");
        case SequenceType::range: return append_range(out, sequence.items);
        case SequenceType::dict_keys: return append_enclosed(out, "dict_keys([", sequence.items, "])");
        case SequenceType::dict_values: return append_enclosed(out, "dict_values([", sequence.items, "])");
        case SequenceType::dict_items: return append_enclosed(out, "dict_items([", sequence.items, "])");
    }
}

void append_dict(std::string& out, const Dict& dict) {
    out += '{';
    for (bool first = true; const auto& [key, value] : dict.entries()) {
        if (!std::exchange(first, false)) out += ", ";
        append_repr(out, key);
        out += ": ";
        append_repr(out, value);
    }
    out += '}';
}

void append_repr(std::string& out, const Value& value) {
    switch (value.kind()) {
        case Kind::undefined: out += "Undefined"; return;
        case Kind::none: out += "None"; return;
        case Kind::boolean: out += value.as_boolean() ? "True" : "False"; return;
        case Kind::integer: out += std::to_string(value.as_integer()); return;
        case Kind::real: out += real_repr(value.as_real()); return;
        case Kind::string:
            out += value.is_markup() ? "Markup(" + string_repr(value.as_string()) + ")" : string_repr(value.as_string());
            return;
        case Kind::sequence: return append_sequence(out, value.as_sequence());
        case Kind::dict: return append_dict(out, value.as_dict());
        case Kind::object: out += value.as_object()->repr(); return;
    }
}

void append_repr_character(std::string& out, char32_t c, std::string_view bytes, char quote) {
    if (c == static_cast<char32_t>(quote) || c == '\\') out += '\\', out += bytes;
    else if (c == '\n') out += "\\n";
    else if (c == '\r') out += "\\r";
    else if (c == '\t') out += "\\t";
    else if (is_printable(c)) out += bytes;
    else if (c < 0x100) out += formatted("\\x{:02x}", static_cast<unsigned>(c));
    else if (c < 0x10000) out += formatted("\\u{:04x}", static_cast<unsigned>(c));
    else out += formatted("\\U{:08x}", static_cast<unsigned>(c));
}

std::string_view sequence_type_name(SequenceType type) {
    switch (type) {
        case SequenceType::list: return "list";
        case SequenceType::tuple: return "tuple";
        case SequenceType::range: return "range";
        case SequenceType::dict_keys: return "dict_keys";
        case SequenceType::dict_values: return "dict_values";
        case SequenceType::dict_items: return "dict_items";
    }
    return "";
}

}  // namespace

// Python switches to an exponent outside 1e-4 .. 1e16 and always shows that it is a float.
std::string real_repr(double value) {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
    const double magnitude = std::fabs(value);
    const bool plain = magnitude == 0 || (magnitude >= 1e-4 && magnitude < 1e16);
    char digits[64];
    const auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
    const auto end = std::to_chars(digits, digits + sizeof digits, value, format).ptr;
    std::string text(digits, end);
    if (plain && !text.contains('.')) text += ".0";
    return text;
}

std::string string_repr(std::string_view text) {
    const char quote = text.contains('\'') && !text.contains('"') ? '"' : '\'';
    std::string out(1, quote);
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t start = at;
        const char32_t c = decode_utf8(text, at);
        append_repr_character(out, c, text.substr(start, at - start), quote);
    }
    return out += quote;
}

std::string_view type_name(const Value& value) {
    switch (value.kind()) {
        case Kind::undefined: return "Undefined";
        case Kind::none: return "NoneType";
        case Kind::boolean: return "bool";
        case Kind::integer: return "int";
        case Kind::real: return "float";
        case Kind::string: return value.is_markup() ? "Markup" : "str";
        case Kind::sequence: return sequence_type_name(value.as_sequence().type);
        case Kind::dict: return "dict";
        case Kind::object: return value.as_object()->type_name();
    }
    return "";
}

Outcome<void> append_str(Meter& meter, std::string& out, const Value& value) {
    WEFT_CHECK(meter.work(value.weight()));
    WEFT_CHECK(meter.output(out.size() + value.weight()));
    if (value.is_string()) out += value.as_string();
    else if (!value.is_undefined()) append_repr(out, value);
    return {};
}

Outcome<std::string> to_str(Meter& meter, const Value& value) {
    std::string text;
    WEFT_CHECK(append_str(meter, text, value));
    return text;
}

Outcome<std::string> to_repr(Meter& meter, const Value& value) {
    WEFT_CHECK(meter.work(value.weight()));
    std::string text;
    append_repr(text, value);
    return text;
}

Outcome<void> require_hashable(const Value& value) {
    if (value.is_dict() || (value.is_sequence() && value.as_sequence().type == SequenceType::list))
        return raise(formatted("unhashable type: '{}'", type_name(value)));
    if (value.is_sequence())
        for (const Value& item : value.as_sequence().items) WEFT_CHECK(require_hashable(item));
    return {};
}

}  // namespace weft::jinja
