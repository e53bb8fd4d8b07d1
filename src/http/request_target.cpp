#include "http/request_target.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/ascii.h"

namespace weft::http {
namespace {

std::optional<int> hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return std::nullopt;
}

std::optional<std::string> percent_decode(std::string_view text) {
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            decoded.push_back(text[i]);
            continue;
        }
        if (i + 2 >= text.size()) return std::nullopt;
        const auto high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
        if (!high || !low) return std::nullopt;
        decoded.push_back(static_cast<char>(*high * 16 + *low));
        i += 2;
    }
    return decoded;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// Length of the well-formed UTF-8 sequence at the start of text (Unicode 15, table 3-7), 0 when there is none.
std::size_t utf8_sequence(std::string_view text) {
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<std::uint8_t>(text[i]) : 0; };
    const auto within = [](int value, int low, int high) { return value >= low && value <= high; };
    const int first = byte(0);
    if (first < 0x80) return 1;
    if (within(first, 0xC2, 0xDF)) return within(byte(1), 0x80, 0xBF) ? 2 : 0;
    if (within(first, 0xE0, 0xEF)) {
        const int low = first == 0xE0 ? 0xA0 : 0x80, high = first == 0xED ? 0x9F : 0xBF;
        return within(byte(1), low, high) && within(byte(2), 0x80, 0xBF) ? 3 : 0;
    }
    if (within(first, 0xF0, 0xF4)) {
        const int low = first == 0xF0 ? 0x90 : 0x80, high = first == 0xF4 ? 0x8F : 0xBF;
        return within(byte(1), low, high) && within(byte(2), 0x80, 0xBF) && within(byte(3), 0x80, 0xBF) ? 4 : 0;
    }
    return 0;
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const std::size_t length = utf8_sequence(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

// "/a//b/" -> "/a/b". Empty when a part is "." or "..": their meaning depends on who resolves them.
std::optional<std::string> normalise(std::string_view path) {
    std::string normal;
    normal.reserve(path.size());
    while (!path.empty()) {
        const auto end = std::min(path.find('/'), path.size());
        const auto part = path.substr(0, end);
        path.remove_prefix(std::min(end + 1, path.size()));
        if (part == "." || part == "..") return std::nullopt;
        if (!part.empty()) normal.append("/").append(part);
    }
    if (normal.empty()) normal = "/";
    return normal;
}

// Takes "http://authority" off the front of an absolute-form target.
std::optional<std::string> take_authority(std::string_view& target) {
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (!starts_with_ignoring_case(target, scheme)) continue;
        target.remove_prefix(scheme.size());
        const auto end = std::min(target.find_first_of("/?"), target.size());
        std::string authority(target.substr(0, end));
        target.remove_prefix(end);
        return authority;
    }
    return std::nullopt;
}

}  // namespace

std::expected<RequestTarget, std::string> parse_request_target(std::string_view method, std::string_view target) {
    if (target == "*" && method == "OPTIONS") return RequestTarget{.path = "*"};
    RequestTarget parsed;
    if (!target.starts_with('/')) {
        auto authority = take_authority(target);
        if (!authority || authority->empty() || !is_valid_authority(*authority))
            return std::unexpected("The request target must be a path or an http URL.");
        parsed.authority = std::move(*authority);
    }
    if (std::ranges::any_of(target, is_control) || target.contains('#'))
        return std::unexpected("The request target contains a character that is not allowed there.");
    const auto question = std::min(target.find('?'), target.size());
    if (question < target.size()) parsed.query = target.substr(question + 1);
    const auto decoded = percent_decode(target.substr(0, question));
    if (!decoded) return std::unexpected("The request path has invalid percent encoding.");
    if (std::ranges::any_of(*decoded, is_control) || !is_utf8(*decoded))
        return std::unexpected("The request path contains a character that is not allowed there.");
    auto path = normalise(*decoded);
    if (!path) return std::unexpected("The request path must not contain \".\" or \"..\" segments.");
    parsed.path = std::move(*path);
    return parsed;
}

std::string readable_path(std::string_view head) {
    constexpr std::size_t enough = 64;
    const auto space = head.substr(0, head.find('\n')).find(' ');
    if (space == std::string_view::npos) return {};
    const auto target = head.substr(space + 1, enough);
    const auto plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '/' || c == '_' || c == '-'; };
    const auto end = std::ranges::find_if_not(target, plain);
    return target.starts_with('/') ? std::string(target.begin(), end) : std::string();
}

bool is_valid_authority(std::string_view authority) {
    if (authority.empty()) return true;
    std::string_view port;
    if (authority.starts_with('[')) {
        const auto close = authority.find(']');
        if (close == std::string_view::npos || close == 1) return false;
        const auto address = authority.substr(1, close - 1);
        if (address.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos) return false;
        port = authority.substr(close + 1);
        if (!port.empty() && !port.starts_with(':')) return false;
        if (!port.empty()) port.remove_prefix(1);
    } else {
        const auto colon = std::min(authority.find(':'), authority.size());
        const auto name = authority.substr(0, colon);
        const auto allowed = [](char c) {
            return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("-._~").contains(c);
        };
        if (!std::ranges::all_of(name, allowed)) return false;
        if (colon < authority.size()) port = authority.substr(colon + 1);
    }
    return port.size() <= 5 && std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<std::string> query_parameter(std::string_view query, std::string_view name) {
    while (!query.empty()) {
        const auto end = std::min(query.find('&'), query.size());
        const auto pair = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        const auto equals = std::min(pair.find('='), pair.size());
        if (percent_decode(pair.substr(0, equals)) != name) continue;
        std::string value(pair.substr(std::min(equals + 1, pair.size())));
        std::ranges::replace(value, '+', ' ');
        return percent_decode(value);
    }
    return std::nullopt;
}

}  // namespace weft::http
