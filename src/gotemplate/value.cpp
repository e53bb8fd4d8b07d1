#include "gotemplate/value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/formatted.h"

namespace weft::gotemplate {
namespace {

// Digits and exponent as Go's strconv writes them: at least two digits of exponent, no "+" lost.
std::string scientific(double value) {
    std::array<char, 64> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
    return {buffer.data(), end.ptr};
}

std::string fixed(double value) {
    std::array<char, 400> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
    return {buffer.data(), end.ptr};
}

template <typename Items, typename Put>
void join(std::string& out, const Items& items, std::string_view separator, Put put) {
    bool first = true;
    for (const auto& item : items) {
        if (!std::exchange(first, false)) out += separator;
        put(item);
    }
}

void print_list(std::string& out, const List& list) {
    out += '[';
    join(out, list.items, " ", [&out](const Value& item) { item.print(out); });
    out += ']';
}

void print_map(std::string& out, const Map& map) {
    out += "map[";
    join(out, map.entries, " ", [&out](const auto& entry) {
        out += entry.first + ":";
        entry.second.print(out);
    });
    out += ']';
}

void json_map(std::string& out, const Map& map) {
    out += '{';
    join(out, map.entries, ",", [&out](const auto& entry) {
        append_json_text(out, entry.first);
        out += ':';
        entry.second.json(out);
    });
    out += '}';
}

void json_record(std::string& out, const Record& record) {
    out += '{';
    bool first = true;
    for (const auto& field : record.fields) {
        if (field.json_name.empty()) continue;
        if (!std::exchange(first, false)) out += ',';
        append_json_text(out, field.json_name);
        out += ':';
        field.value.json(out);
    }
    out += '}';
}

}  // namespace

Value Value::string(std::string value) { return Value(Data(std::make_shared<const std::string>(std::move(value)))); }
Value Value::list(List list) { return Value(Data(std::make_shared<const List>(std::move(list)))); }
Value Value::map(Map map) { return Value(Data(std::make_shared<const Map>(std::move(map)))); }
Value Value::record(Record record) { return Value(Data(std::make_shared<const Record>(std::move(record)))); }

const Value* Record::find(std::string_view name) const {
    const auto at = std::ranges::find(fields, name, &Field::name);
    return at == fields.end() ? nullptr : &at->value;
}

std::size_t Value::length() const {
    switch (kind()) {
        case Kind::string: return as_string().size();
        case Kind::list: return as_list().items.size();
        case Kind::map: return as_map().entries.size();
        default: return 0;
    }
}

bool Value::truthy() const {
    switch (kind()) {
        case Kind::none: return false;
        case Kind::boolean: return as_boolean();
        case Kind::integer: return as_integer() != 0;
        case Kind::real: return as_real() != 0;
        case Kind::record: return true;
        default: return length() > 0;
    }
}

void Value::print(std::string& out) const {
    switch (kind()) {
        case Kind::none: return;
        case Kind::boolean: out += as_boolean() ? "true" : "false"; return;
        case Kind::integer: out += std::to_string(as_integer()); return;
        case Kind::real: out += real_text(as_real()); return;
        case Kind::string: out += as_string(); return;
        case Kind::list: return as_list().shown == Shown::as_json ? json(out) : print_list(out, as_list());
        case Kind::map: return as_map().shown == Shown::as_json ? json(out) : print_map(out, as_map());
        case Kind::record: return json(out);
    }
}

void Value::json(std::string& out) const {
    switch (kind()) {
        case Kind::none: out += "null"; return;
        case Kind::boolean: out += as_boolean() ? "true" : "false"; return;
        case Kind::integer: out += std::to_string(as_integer()); return;
        case Kind::real: out += real_json(as_real()); return;
        case Kind::string: return append_json_text(out, as_string());
        case Kind::list:
            out += '[';
            join(out, as_list().items, ",", [&out](const Value& item) { item.json(out); });
            out += ']';
            return;
        case Kind::map: return json_map(out, as_map());
        case Kind::record: return json_record(out, as_record());
    }
}

std::string real_text(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    const double size = std::fabs(value);
    return size != 0 && (size < 1e-4 || size >= 1e21) ? scientific(value) : fixed(value);
}

std::string real_json(double value) {
    if (!std::isfinite(value)) return "null";
    const double size = std::fabs(value);
    if (size == 0 || (size >= 1e-6 && size < 1e21)) return fixed(value);
    auto text = scientific(value);
    // encoding/json writes e-9 where strconv writes e-09.
    if (const auto n = text.size(); n >= 4 && text[n - 4] == 'e' && text[n - 3] == '-' && text[n - 2] == '0')
        text.erase(n - 2, 1);
    return text;
}

void append_json_text(std::string& out, std::string_view text) {
    out += '"';
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '"' || c == '\\') (out += '\\') += c;
        else if (c == '\n') out += "\\n";
        else if (c == '\r') out += "\\r";
        else if (c == '\t') out += "\\t";
        else if (c == '\b') out += "\\b";
        else if (c == '\f') out += "\\f";
        else if (static_cast<unsigned char>(c) < 0x20 || c == '<' || c == '>' || c == '&')
            out += formatted("\\u{:04x}", static_cast<unsigned char>(c));
        else if (text.substr(i).starts_with("\xE2\x80\xA8") || text.substr(i).starts_with("\xE2\x80\xA9")) {
            out += text[i + 2] == '\xA8' ? "\\u2028" : "\\u2029";
            i += 2;
        } else out += c;
    }
    out += '"';
}

}  // namespace weft::gotemplate
