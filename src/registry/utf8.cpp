#include "registry/utf8.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace weft {
namespace {

// Bytes of the valid character at the start of text; 0 when there is none. Table 3-7 of the Unicode standard: the second
// byte's range rules out overlong forms, surrogates and what lies past U+10FFFF.
std::size_t character_bytes(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const std::uint8_t first = byte(0);
    if (first < 0x80) return 1;
    if (first < 0xC2 || first > 0xF4) return 0;
    const std::size_t bytes = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (text.size() < bytes) return 0;
    const std::uint8_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    const std::uint8_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (byte(1) < low || byte(1) > high) return 0;
    for (std::size_t i = 2; i < bytes; ++i)
        if ((byte(i) & 0xC0) != 0x80) return 0;
    return bytes;
}

}  // namespace

std::string valid_utf8(std::string text) {
    if (std::ranges::all_of(text, [](char c) { return static_cast<std::uint8_t>(c) < 0x80; })) return text;
    std::string out;
    out.reserve(text.size());
    for (std::string_view rest = text; !rest.empty();) {
        const std::size_t bytes = character_bytes(rest);
        if (bytes > 0)
            out += rest.substr(0, bytes);
        else
            out += "\xEF\xBF\xBD";
        rest.remove_prefix(std::max<std::size_t>(bytes, 1));
    }
    return out;
}

}  // namespace weft
