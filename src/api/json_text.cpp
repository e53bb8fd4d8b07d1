#include "api/json_text.h"

#include <array>
#include <cstdint>

namespace weft::api {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

// Length of the well-formed UTF-8 character at the start of text (Unicode 15, table 3-7), 0 when there is none.
// bad: how many bytes one replacement character stands for then.
std::size_t character_length(std::string_view text, std::size_t& bad) {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<std::uint8_t>(text[i]) : std::uint8_t{0};
    };
    const std::uint8_t lead = byte(0);
    bad = 1;
    if (lead < 0x80) return 1;
    const std::size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                               : lead >= 0xE0 && lead <= 0xEF ? 3
                               : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                              : 0;
    if (length == 0) return 0;
    const std::uint8_t lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const std::uint8_t highest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (byte(1) < lowest || byte(1) > highest) return 0;
    for (bad = 2; bad < length; ++bad)
        if ((byte(bad) & 0xC0) != 0x80) return 0;
    return length;
}

void append_escaped(std::string& out, char c) {
    constexpr std::string_view hex = "0123456789abcdef";
    switch (c) {
        case '"': out += "\\\""; return;
        case '\\': out += "\\\\"; return;
        case '\b': out += "\\b"; return;
        case '\f': out += "\\f"; return;
        case '\n': out += "\\n"; return;
        case '\r': out += "\\r"; return;
        case '\t': out += "\\t"; return;
        default: break;
    }
    const auto value = static_cast<std::uint8_t>(c);
    out += "\\u00";
    out += hex[value >> 4];
    out += hex[value & 15];
}

bool needs_escape(char c) { return static_cast<std::uint8_t>(c) < 0x20 || c == '"' || c == '\\'; }

// Appends text; escape: as the inside of a JSON string.
void append_text(std::string& out, std::string_view text, bool escape) {
    std::size_t plain = 0;  // start of what is to be copied as it is
    for (std::size_t i = 0; i < text.size();) {
        std::size_t bad = 0;
        const std::size_t length = character_length(text.substr(i), bad);
        if (length != 0 && !(escape && needs_escape(text[i]))) {
            i += length;
            continue;
        }
        out += text.substr(plain, i - plain);
        if (length == 0)
            out += replacement;
        else
            append_escaped(out, text[i]);
        i += length == 0 ? bad : 1;
        plain = i;
    }
    out += text.substr(plain);
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    append_text(out, text, true);
    out += '"';
}

std::string valid_utf8(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size());
    append_text(out, bytes, false);
    return out;
}

}  // namespace weft::api
