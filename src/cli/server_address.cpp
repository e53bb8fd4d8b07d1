#include "cli/server_address.h"

#include <charconv>

namespace weft::cli {
namespace {

constexpr std::uint16_t default_port = 11434;

std::string_view trim(std::string_view text) {
    constexpr std::string_view ignored = " \t\r\n\"'";
    const auto first = text.find_first_not_of(ignored);
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(ignored) - first + 1);
}

struct HostAndPort {
    std::string_view host;
    std::optional<std::string_view> port;
};

Result<HostAndPort> split_host(std::string_view text) {
    if (text.starts_with('[')) {
        const auto close = text.find(']');
        if (close == text.npos) return fail(ErrorCode::invalid_request, "a '[' without ']'");
        const auto rest = text.substr(close + 1);
        if (!rest.empty() && rest[0] != ':') return fail(ErrorCode::invalid_request, "text after ']'");
        return HostAndPort{text.substr(1, close - 1),
                           rest.empty() ? std::nullopt : std::optional(rest.substr(1))};
    }
    const auto colon = text.find(':');
    const bool bare_v6 = colon != text.npos && text.find(':', colon + 1) != text.npos;
    if (colon == text.npos || bare_v6) return HostAndPort{text, std::nullopt};
    return HostAndPort{text.substr(0, colon), text.substr(colon + 1)};
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return port;
}

std::string reachable(std::string_view host) {
    if (host.empty() || host == "0.0.0.0") return "127.0.0.1";
    if (host == "::") return "::1";
    return std::string(host);
}

// What may stand in a request line and a Host header without breaking them.
bool is_plain(std::string_view text) {
    for (const unsigned char c : text)
        if (c <= ' ' || c >= 0x7f || c == '@' || c == '?' || c == '#' || c == '\\') return false;
    return true;
}

}  // namespace

Result<http::Endpoint> parse_server_address(std::string_view text, BadPort bad_port) {
    const std::string shown(trim(text));
    std::string_view rest = shown;
    std::uint16_t port_without = default_port;
    if (const auto scheme_end = rest.find("://"); scheme_end != rest.npos) {
        const auto scheme = rest.substr(0, scheme_end);
        if (scheme == "https")
            return fail(ErrorCode::invalid_request,
                        "https is not supported by this client: use an http:// address, not " + shown);
        if (scheme != "http")
            return fail(ErrorCode::invalid_request, "the server address has to begin with http://, not " + shown);
        port_without = 80;
        rest.remove_prefix(scheme_end + 3);
    }
    if (!is_plain(rest)) return fail(ErrorCode::invalid_request, "not a server address: " + shown);

    const auto slash = rest.find('/');
    std::string path(slash == rest.npos ? std::string_view{} : rest.substr(slash));
    while (path.ends_with('/')) path.pop_back();

    const auto parts = split_host(rest.substr(0, slash));
    if (!parts) return fail(ErrorCode::invalid_request, "not a server address: " + shown + ": " + parts.error().message);
    auto port = parts->port ? parse_port(*parts->port) : std::optional(port_without);
    if (!port && bad_port == BadPort::refuse)
        return fail(ErrorCode::invalid_request, "the port has to be a number from 0 to 65535: " + shown);
    return http::Endpoint{reachable(parts->host), port.value_or(port_without), std::move(path)};
}

Result<http::Endpoint> find_server(const std::optional<std::string>& server_flag, const Environment& environment) {
    if (server_flag) return parse_server_address(*server_flag, BadPort::refuse);
    if (const auto host = environment("WEFT_HOST"); host && !trim(*host).empty())
        return parse_server_address(*host, BadPort::refuse);
    if (const auto host = environment("OLLAMA_HOST"); host && !trim(*host).empty())
        return parse_server_address(*host, BadPort::use_default);
    return http::Endpoint{};
}

}  // namespace weft::cli
