#include "jinja/text_tools.h"

#include <algorithm>

#include "jinja/unicode.h"

namespace weft::jinja {

namespace {

bool holds_character(std::string_view set, char32_t wanted) {
    for (std::size_t at = 0; at < set.size();)
        if (decode_utf8(set, at) == wanted) return true;
    return false;
}

bool is_stripped(char32_t c, std::optional<std::string_view> chars) {
    return chars ? holds_character(*chars, c) : is_space(c);
}

std::size_t start_of_last_character(std::string_view text) {
    std::size_t at = text.size() - 1;
    while (at > 0 && text.size() - at < 4 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) --at;
    return at;
}

std::size_t start_of_last_word(std::string_view text) {
    std::size_t start = text.size();
    while (start > 0) {
        std::size_t at = start_of_last_character(text.substr(0, start));
        const std::size_t previous = at;
        if (is_space(decode_utf8(text, at))) break;
        start = previous;
    }
    return start;
}

bool is_line_end(char32_t c) {
    return (c >= 0x0a && c <= 0x0d) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

}  // namespace

std::string_view strip(std::string_view text, std::optional<std::string_view> chars, Side side) {
    while (side != Side::right && !text.empty()) {
        std::size_t at = 0;
        if (!is_stripped(decode_utf8(text, at), chars)) break;
        text.remove_prefix(at);
    }
    while (side != Side::left && !text.empty()) {
        std::size_t at = start_of_last_character(text);
        const std::size_t start = at;
        if (!is_stripped(decode_utf8(text, at), chars)) break;
        text = text.substr(0, start);
    }
    return text;
}

std::string replace_all(std::string_view text, std::string_view old, std::string_view with, std::int64_t limit) {
    std::string out;
    std::size_t at = 0;
    while (limit != 0) {
        const std::size_t found = find_text(text, old, at);
        if (found == text.npos) break;
        out += text.substr(at, found - at);
        out += with;
        at = found + old.size();
        --limit;
        if (!old.empty()) continue;
        if (at == text.size()) return out;
        const std::size_t start = at;
        (void)decode_utf8(text, at);
        out += text.substr(start, at - start);
    }
    return out += text.substr(at);
}

std::vector<std::string_view> split_at(std::string_view text, std::string_view separator, std::int64_t limit,
                                       bool from_right) {
    std::vector<std::string_view> parts;
    if (from_right && limit >= 0) {
        for (; limit > 0; --limit) {
            const std::size_t found = rfind_text(text, separator);
            if (found == text.npos) break;
            parts.push_back(text.substr(found + separator.size()));
            text = text.substr(0, found);
        }
        parts.push_back(text);
        std::ranges::reverse(parts);
        return parts;
    }
    for (; limit != 0; --limit) {
        const std::size_t found = find_text(text, separator);
        if (found == text.npos) break;
        parts.push_back(text.substr(0, found));
        text.remove_prefix(found + separator.size());
    }
    parts.push_back(text);
    return parts;
}

std::vector<std::string_view> split_words(std::string_view text, std::int64_t limit, bool from_right) {
    std::vector<std::string_view> words;
    text = strip(text, std::nullopt, from_right ? Side::right : Side::left);
    for (; !text.empty() && limit != 0; --limit) {
        if (from_right) {
            const std::size_t start = start_of_last_word(text);
            words.push_back(text.substr(start));
            text = strip(text.substr(0, start), std::nullopt, Side::right);
        } else {
            std::size_t end = 0;
            for (std::size_t at = 0; at < text.size() && !is_space(decode_utf8(text, at));) end = at;
            words.push_back(text.substr(0, end));
            text = strip(text.substr(end), std::nullopt, Side::left);
        }
    }
    if (!text.empty()) words.push_back(text);
    if (from_right) std::ranges::reverse(words);
    return words;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
    std::vector<std::string_view> lines;
    std::size_t start = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = at;
        const char32_t c = decode_utf8(text, at);
        if (!is_line_end(c)) continue;
        if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
        lines.push_back(text.substr(start, (keep_ends ? at : end) - start));
        start = at;
    }
    if (start < text.size()) lines.push_back(text.substr(start));
    return lines;
}

std::int64_t count_text(std::string_view text, std::string_view part) {
    if (part.empty()) return static_cast<std::int64_t>(count_characters(text)) + 1;
    std::int64_t count = 0;
    for (std::size_t at = find_text(text, part); at != text.npos; at = find_text(text, part, at + part.size())) ++count;
    return count;
}

std::string padded(std::string_view text, std::int64_t width, std::string_view fill, Side text_side) {
    const std::int64_t missing = width - static_cast<std::int64_t>(count_characters(text));
    if (missing <= 0) return std::string(text);
    std::int64_t before = 0;
    if (text_side == Side::right) before = missing;
    if (text_side == Side::both) before = missing / 2 + (missing & width & 1);  // as Python rounds
    std::string out;
    for (std::int64_t i = 0; i < before; ++i) out += fill;
    out += text;
    for (std::int64_t i = before; i < missing; ++i) out += fill;
    return out;
}

}  // namespace weft::jinja
