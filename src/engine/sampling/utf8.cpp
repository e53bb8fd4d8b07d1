#include "engine/sampling/utf8.h"

#include <utility>

namespace weft {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

// What may follow a first byte (The Unicode Standard, table 3-7). The second byte's range keeps out overlong forms,
// surrogates and what lies beyond U+10FFFF.
struct Lead {
    std::uint8_t following;  // 0: not the first byte of a longer character
    unsigned char lowest = 0x80;
    unsigned char highest = 0xBF;
};

constexpr Lead lead_of(unsigned char byte) {
    if (byte >= 0xC2 && byte <= 0xDF) return {1};
    if (byte == 0xE0) return {2, 0xA0, 0xBF};
    if (byte == 0xED) return {2, 0x80, 0x9F};
    if (byte >= 0xE1 && byte <= 0xEF) return {2};
    if (byte == 0xF0) return {3, 0x90, 0xBF};
    if (byte >= 0xF1 && byte <= 0xF3) return {3};
    if (byte == 0xF4) return {3, 0x80, 0x8F};
    return {0};
}

}  // namespace

std::string Utf8Assembler::feed(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size() + pending_.size());
    for (const char byte : bytes) feed_byte(static_cast<unsigned char>(byte), out);
    return out;
}

std::string Utf8Assembler::finish() {
    const bool incomplete = missing_ > 0;
    *this = {};
    return incomplete ? std::string(replacement) : std::string();
}

void Utf8Assembler::feed_byte(unsigned char byte, std::string& out) {
    if (missing_ == 0) return begin(byte, out);
    if (byte < lowest_ || byte > highest_) {
        // What was begun is one maximal subpart; this byte may begin something itself.
        out += finish();
        return begin(byte, out);
    }
    pending_.push_back(static_cast<char>(byte));
    lowest_ = 0x80;
    highest_ = 0xBF;
    if (--missing_ > 0) return;
    out += pending_;
    pending_.clear();
}

void Utf8Assembler::begin(unsigned char byte, std::string& out) {
    if (byte < 0x80) return out.push_back(static_cast<char>(byte));
    const Lead lead = lead_of(byte);
    if (lead.following == 0) {
        out += replacement;
        return;
    }
    pending_.push_back(static_cast<char>(byte));
    missing_ = lead.following;
    lowest_ = lead.lowest;
    highest_ = lead.highest;
}

bool is_whole_utf8(std::string_view text) {
    Lead rest{0};
    for (const char character : text) {
        const auto byte = static_cast<unsigned char>(character);
        if (rest.following > 0) {
            if (byte < rest.lowest || byte > rest.highest) return false;
            rest = {static_cast<std::uint8_t>(rest.following - 1)};
        } else if (byte >= 0x80) {
            rest = lead_of(byte);
            if (rest.following == 0) return false;
        }
    }
    return rest.following == 0;
}

}  // namespace weft
