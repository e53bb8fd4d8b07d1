#include "services/chat/json_scanner.h"

#include <algorithm>
#include <glaze/json.hpp>

#include "services/chat/white_space.h"

namespace weft {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::size_t digits_from(std::string_view text, std::size_t at) {
    while (at < text.size() && is_digit(text[at])) ++at;
    return at;
}

bool is_number(std::string_view text) {
    std::size_t at = text.starts_with('-') ? 1 : 0;
    const auto whole = digits_from(text, at);
    if (whole == at || (text[at] == '0' && whole > at + 1)) return false;
    at = whole;
    if (at < text.size() && text[at] == '.') {
        const auto end = digits_from(text, at + 1);
        if (end == at + 1) return false;
        at = end;
    }
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
        ++at;
        if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
        const auto end = digits_from(text, at);
        if (end == at) return false;
        at = end;
    }
    return at == text.size();
}

bool is_scalar(std::string_view text) {
    return text == "true" || text == "false" || text == "null" || is_number(text);
}

// One past the value that begins at `at` in valid JSON without white space.
std::size_t end_of_value(std::string_view text, std::size_t at) {
    std::size_t depth = 0;
    bool string = false;
    for (; at < text.size(); ++at) {
        const char c = text[at];
        if (string) {
            if (c == '\\') ++at;
            else if (c == '"') string = false;
            if (!string && depth == 0) return at + 1;
            continue;
        }
        if (c == '"') string = true;
        else if (c == '{' || c == '[') ++depth;
        else if (c == '}' || c == ']') {
            if (depth == 0) return at;
            if (--depth == 0) return at + 1;
        } else if ((c == ',' || c == ':') && depth == 0) return at;
    }
    return text.size();
}

}  // namespace

JsonScanner::State JsonScanner::feed(char c) {
    if (string_) return in_string(c);
    if (scalar_begin_ != std::string::npos) return in_scalar(c);
    if (is_space(c)) return State::more;
    return structure(c);
}

JsonScanner::State JsonScanner::structure(char c) {
    switch (expect_) {
        case Expect::key_or_end:
            if (c == '}') return close(c, '{');
            [[fallthrough]];
        case Expect::key:
            if (c != '"') return State::broken;
            string_ = key_ = true;
            text_ += c;
            return State::more;
        case Expect::colon:
            if (c != ':') return State::broken;
            expect_ = Expect::value;
            text_ += c;
            return State::more;
        case Expect::comma_or_end:
            if (c == '}') return close(c, '{');
            if (c == ']') return close(c, '[');
            if (c != ',') return State::broken;
            expect_ = open_.back() == '{' ? Expect::key : Expect::value;
            text_ += c;
            return State::more;
        case Expect::value_or_end:
            if (c == ']') return close(c, '[');
            [[fallthrough]];
        case Expect::value: return begin_value(c);
    }
    return State::broken;
}

JsonScanner::State JsonScanner::begin_value(char c) {
    if (c == '{' || c == '[') {
        if (open_.size() == max_depth) return State::broken;
        open_.push_back(c);
        expect_ = c == '{' ? Expect::key_or_end : Expect::value_or_end;
    } else if (open_.empty()) {
        return State::broken;
    } else if (c == '"') {
        string_ = true;
        key_ = false;
    } else if (c == '-' || is_digit(c) || c == 't' || c == 'f' || c == 'n') {
        scalar_begin_ = text_.size();
    } else {
        return State::broken;
    }
    text_ += c;
    return State::more;
}

JsonScanner::State JsonScanner::close(char c, char opener) {
    if (open_.empty() || open_.back() != opener) return State::broken;
    open_.pop_back();
    text_ += c;
    return value_ended();
}

JsonScanner::State JsonScanner::value_ended() {
    expect_ = Expect::comma_or_end;
    return open_.empty() ? State::complete : State::more;
}

JsonScanner::State JsonScanner::in_string(char c) {
    if (static_cast<unsigned char>(c) < 0x20) return State::broken;
    if (unicode_left_ > 0) return unicode_digit(c);
    if (escape_) return escaped(c);
    if (pair_ == Pair::wants_backslash && c != '\\') return State::broken;
    text_ += c;
    if (c == '\\') {
        escape_ = true;
        if (pair_ == Pair::wants_backslash) pair_ = Pair::wants_u;
    } else if (c == '"') {
        string_ = false;
        if (!key_) return value_ended();
        expect_ = Expect::colon;
    }
    return State::more;
}

JsonScanner::State JsonScanner::escaped(char c) {
    escape_ = false;
    if (pair_ == Pair::wants_u && c != 'u') return State::broken;
    if (c == 'u') {
        unicode_left_ = 4;
        unicode_ = 0;
        if (pair_ == Pair::wants_u) pair_ = Pair::wants_low;
    } else if (std::string_view("\"\\/bfnrt").find(c) == std::string_view::npos) {
        return State::broken;
    }
    text_ += c;
    return State::more;
}

JsonScanner::State JsonScanner::unicode_digit(char c) {
    int digit = 0;
    if (is_digit(c)) digit = c - '0';
    else if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
    else if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
    else return State::broken;
    text_ += c;
    unicode_ = static_cast<std::uint16_t>(unicode_ * 16 + digit);
    if (--unicode_left_ > 0) return State::more;
    const bool high = unicode_ >= 0xD800 && unicode_ <= 0xDBFF;
    const bool low = unicode_ >= 0xDC00 && unicode_ <= 0xDFFF;
    if (low != (pair_ == Pair::wants_low)) return State::broken;
    pair_ = high ? Pair::wants_backslash : Pair::none;
    return State::more;
}

JsonScanner::State JsonScanner::in_scalar(char c) {
    const bool ends = is_space(c) || c == ',' || c == '}' || c == ']';
    if (!ends) {
        if (text_.size() - scalar_begin_ >= max_scalar_bytes) return State::broken;
        text_ += c;
        return State::more;
    }
    if (!is_scalar(std::string_view(text_).substr(scalar_begin_))) return State::broken;
    scalar_begin_ = std::string::npos;
    expect_ = Expect::comma_or_end;
    return is_space(c) ? State::more : structure(c);
}

std::vector<std::pair<std::string, std::string_view>> members_of(std::string_view object) {
    std::vector<std::pair<std::string, std::string_view>> members;
    if (!object.starts_with('{')) return members;
    for (std::size_t at = 1; at < object.size() && object[at] == '"';) {
        const auto key_end = end_of_value(object, at);
        const auto value_end = end_of_value(object, key_end + 1);
        members.emplace_back(string_of(object.substr(at, key_end - at)),
                             object.substr(key_end + 1, value_end - key_end - 1));
        at = value_end + 1;
    }
    return members;
}

std::vector<std::string_view> elements_of(std::string_view array) {
    std::vector<std::string_view> elements;
    if (!array.starts_with('[')) return elements;
    for (std::size_t at = 1; at < array.size() && array[at] != ']';) {
        const auto end = end_of_value(array, at);
        elements.push_back(array.substr(at, end - at));
        at = end + 1;
    }
    return elements;
}

std::string string_of(std::string_view value) {
    std::string text;
    if (!value.starts_with('"') || glz::read_json(text, value)) return {};
    return text;
}

std::string json_string(std::string_view text) {
    struct Escaping : glz::opts {
        bool escape_control_characters = true;
    };
    std::string out;
    if (glz::write<Escaping{}>(text, out)) return "\"\"";
    return out;
}

std::string compact_json(std::string_view text) {
    JsonScanner scanner;
    if (scanner.feed('[') != JsonScanner::State::more) return {};
    for (const char c : text)
        if (scanner.feed(c) != JsonScanner::State::more) return {};
    if (scanner.feed(']') != JsonScanner::State::complete) return {};
    const std::string_view list = scanner.text();
    const auto elements = elements_of(list);
    return elements.size() == 1 ? std::string(elements.front()) : std::string();
}

}  // namespace weft
