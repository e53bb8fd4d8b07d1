#include <algorithm>
#include <array>
#include <ranges>
#include <string>

#include "base/ascii.h"
#include "http/middleware.h"

namespace weft::http {
namespace {

// What desktop shells, editors and pages of this machine send. A pattern that ends in ":*" stands for any port.
constexpr auto built_in_origins = std::to_array<std::string_view>({
    "http://localhost", "https://localhost", "http://localhost:*", "https://localhost:*",
    "http://127.0.0.1", "https://127.0.0.1", "http://127.0.0.1:*", "https://127.0.0.1:*",
    "http://0.0.0.0", "https://0.0.0.0", "http://0.0.0.0:*", "https://0.0.0.0:*",
    "app://*", "file://*", "tauri://*", "vscode-webview://*", "vscode-file://*",
    "chrome-extension://*", "moz-extension://*", "safari-web-extension://*",
});

constexpr std::string_view allowed_methods = "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS";

constexpr auto allowed_headers = std::to_array<std::string_view>({
    "Authorization", "Content-Type", "User-Agent", "Accept", "X-Requested-With", "OpenAI-Beta", "x-api-key",
    "anthropic-version", "anthropic-beta", "anthropic-dangerous-direct-browser-access", "x-stainless-arch",
    "x-stainless-async", "x-stainless-custom-poll-interval", "x-stainless-helper-method", "x-stainless-lang",
    "x-stainless-os", "x-stainless-package-version", "x-stainless-poll-helper", "x-stainless-retry-count",
    "x-stainless-runtime", "x-stainless-runtime-version", "x-stainless-timeout", "x-weft-cache", "x-weft-deadline-ms",
    "x-weft-priority",
});

constexpr std::string_view exposed_headers =
    "x-request-id, request-id, location, retry-after, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, "
    "x-ratelimit-reset-requests, x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens";

// Each '*' stands for any text. Greedy from the left is enough when there are no other wildcards.
bool matches(std::string_view pattern, std::string_view text) {
    std::size_t p = 0, t = 0, after_star = std::string_view::npos, retry = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            after_star = ++p;
            retry = t;
        } else if (p < pattern.size() && lower(pattern[p]) == lower(text[t])) {
            ++p, ++t;
        } else if (after_star != std::string_view::npos) {
            p = after_star;
            t = ++retry;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

// The port pattern ":*" must not let "http://localhost:x.evil.com" in.
bool matches_origin(std::string_view pattern, std::string_view origin) {
    if (!pattern.ends_with(":*")) return matches(pattern, origin);
    const auto colon = origin.rfind(':');
    if (colon == std::string_view::npos || colon + 1 == origin.size()) return false;
    const auto port = origin.substr(colon + 1);
    return port.find_first_not_of("0123456789") == std::string_view::npos &&
           matches(pattern.substr(0, pattern.size() - 2), origin.substr(0, colon));
}

bool is_own_origin(std::string_view origin, std::string_view host) {
    for (const std::string_view scheme : {"http://", "https://"})
        if (origin.starts_with(scheme) && !host.empty() && equal_ignoring_case(origin.substr(scheme.size()), host))
            return true;
    return false;
}

bool is_token(std::string_view name) {
    return !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
        return std::isalnum(c) || std::string_view("!#$%&'*+-.^_`|~").contains(static_cast<char>(c));
    });
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") + 1 - first);
}

// The listed headers, and whatever else this client wants to send.
std::string allow_headers(std::string_view requested) {
    std::string list;
    for (const std::string_view name : allowed_headers) list.append(list.empty() ? "" : ", ").append(name);
    for (const auto part : std::views::split(requested, ',')) {
        const std::string_view name = trimmed(std::string_view(part));
        const auto same = [&](std::string_view listed) { return equal_ignoring_case(listed, name); };
        if (is_token(name) && std::ranges::none_of(allowed_headers, same)) list.append(", ").append(name);
    }
    return list;
}

Response preflight_answer(const Request& head) {
    Response response{.status = 204};
    response.headers = {{"Access-Control-Allow-Methods", std::string(allowed_methods)},
                        {"Access-Control-Allow-Headers", allow_headers(head.header("access-control-request-headers"))},
                        {"Access-Control-Max-Age", "600"}};
    if (head.header("access-control-request-private-network") == "true")
        response.headers.emplace_back("Access-Control-Allow-Private-Network", "true");
    return response;
}

}  // namespace

bool is_origin_allowed(const OriginPolicy& policy, std::string_view origin, std::string_view host) {
    if (origin.empty() || is_own_origin(origin, host)) return true;
    const auto fits = [&](std::string_view pattern) { return matches_origin(pattern, origin); };
    return std::ranges::any_of(built_in_origins, fits) || std::ranges::any_of(policy.extra_origins, fits);
}

Middleware apply_cors(OriginPolicy policy) {
    return [policy = std::move(policy)](const Request& head, Headers& reply_headers) -> std::optional<Answer> {
        const std::string_view origin = head.header("origin");
        if (origin.empty()) return std::nullopt;
        reply_headers.emplace_back("Vary", "Origin");
        if (!is_origin_allowed(policy, origin, head.header("host")))
            return Refusal{.status = 403, .code_word = "origin_not_allowed",
                           .message = "Pages of this origin are not allowed to call this server."};
        reply_headers.emplace_back("Access-Control-Allow-Origin", std::string(origin));
        reply_headers.emplace_back("Access-Control-Expose-Headers", std::string(exposed_headers));
        if (head.method == "OPTIONS") return preflight_answer(head);
        return std::nullopt;
    };
}

}  // namespace weft::http
