#include "app/callback_rule.h"

#include <algorithm>

#include "http/outbound_post.h"

namespace weft {
namespace {

bool matches_host(const std::string& pattern, const std::string& host) {
    if (pattern.starts_with("*.")) return host.size() > pattern.size() - 1 && host.ends_with(pattern.substr(1));
    return pattern == host;
}

}  // namespace

std::string callback_refusal(const CallbackRule& rule, const std::string& url, std::string_view field) {
    if (rule.hosts.empty()) return "this server sends no callbacks: jobs.callback_hosts is empty";
    if (rule.secret.empty()) return "this server sends no callbacks: it has no jobs.callback_secret to sign them with";
    const std::string name = "'" + std::string(field) + "'";
    const auto host = http::host_of_url(url);
    if (host.empty()) return name + " must be an http or https address";
    if (!std::ranges::any_of(rule.hosts, [&host](const auto& pattern) { return matches_host(pattern, host); }))
        return "the host of " + name + " is not one that this server may call";
    return {};
}

}  // namespace weft
