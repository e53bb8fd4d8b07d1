#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <memory>
#include <optional>
#include <ranges>

#include "base/ascii.h"
#include "http/middleware.h"

namespace weft::http {
namespace {

using boost::asio::ip::address;
using boost::asio::ip::address_v4;
using boost::asio::ip::address_v6;

// "name:port" -> "name", "[::1]:port" -> "::1", without the dot of a fully qualified name.
std::string host_name(std::string_view host) {
    if (host.starts_with('[')) return lower_case(host.substr(1, std::min(host.find(']'), host.size()) - 1));
    std::string name = lower_case(host.substr(0, host.find(':')));
    if (name.ends_with('.')) name.pop_back();
    return name;
}

const std::string& machine_name() {
    static const std::string name = [] {
        std::array<char, 256> buffer{};
        return gethostname(buffer.data(), buffer.size() - 1) == 0 ? lower_case(buffer.data()) : std::string();
    }();
    return name;
}

bool is_private(const address_v4& ip) {
    const auto bytes = ip.to_bytes();
    return bytes[0] == 10 || (bytes[0] == 172 && (bytes[1] & 0xF0) == 16) || (bytes[0] == 192 && bytes[1] == 168);
}

bool is_private(const address& ip) {
    return ip.is_v4() ? is_private(ip.to_v4()) : (ip.to_v6().to_bytes()[0] & 0xFE) == 0xFC;
}

std::optional<address> address_of(const sockaddr* socket_address) {
    if (socket_address == nullptr) return std::nullopt;
    if (socket_address->sa_family == AF_INET) {
        const auto* v4 = reinterpret_cast<const sockaddr_in*>(socket_address);
        return address_v4(ntohl(v4->sin_addr.s_addr));
    }
    if (socket_address->sa_family == AF_INET6) {
        const auto* v6 = reinterpret_cast<const sockaddr_in6*>(socket_address);
        address_v6::bytes_type bytes;
        std::ranges::copy(v6->sin6_addr.s6_addr, bytes.begin());
        return address_v6(bytes);
    }
    return std::nullopt;
}

// Asked anew each time, because interfaces come and go; only reached by public addresses, which are rare here.
bool is_on_local_interface(const address& ip) {
    ifaddrs* raw = nullptr;
    if (getifaddrs(&raw) != 0) return false;
    const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> interfaces(raw, &freeifaddrs);
    for (const ifaddrs* one = interfaces.get(); one != nullptr; one = one->ifa_next)
        if (address_of(one->ifa_addr) == ip) return true;
    return false;
}

bool is_address_allowed(address ip) {
    if (ip.is_v6() && ip.to_v6().is_v4_mapped()) ip = make_address_v4(boost::asio::ip::v4_mapped, ip.to_v6());
    return ip.is_loopback() || ip.is_unspecified() || is_private(ip) || is_on_local_interface(ip);
}

bool is_local_suffix(std::string_view name) {
    return name.ends_with(".localhost") || name.ends_with(".local") || name.ends_with(".internal");
}

}  // namespace

bool is_host_allowed(const HostPolicy& policy, std::string_view host) {
    if (!policy.bound_to_loopback) return true;
    const std::string name = host_name(host);
    if (name.empty() || name == "localhost" || name == machine_name() || is_local_suffix(name)) return true;
    boost::system::error_code no_address;
    const address ip = boost::asio::ip::make_address(name, no_address);
    if (!no_address) return is_address_allowed(ip);
    return std::ranges::any_of(policy.extra_hosts, [&](const std::string& extra) { return host_name(extra) == name; });
}

Middleware check_host(HostPolicy policy) {
    return [policy = std::move(policy)](const Request& head, Headers&) -> std::optional<Answer> {
        if (is_host_allowed(policy, head.header("host"))) return std::nullopt;
        return Refusal{.status = 403, .code_word = "host_not_allowed",
                       .message = "This Host is not allowed: the server only answers to local names."};
    };
}

}  // namespace weft::http
